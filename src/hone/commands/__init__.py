"""One file or folder per command: each has a `main` that gets checked settings and parts. What two commands share
belongs in a package to the left."""
