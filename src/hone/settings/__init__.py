"""The words of each command's YAML file, typed: a class a command."""
