"""Minimal tasks that use the contract to its limits, kept outside hone as those of another package would be."""
