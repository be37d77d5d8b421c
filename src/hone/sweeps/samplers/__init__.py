"""Which cells of a space are run, and in which order."""
