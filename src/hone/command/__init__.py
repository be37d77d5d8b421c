"""The command line: words to configs to jobs. The only package that knows Hydra, and nothing heavy."""
