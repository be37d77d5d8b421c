"""Tasks that bend the contract most, in their smallest form, kept outside the package as a stranger's would be."""
