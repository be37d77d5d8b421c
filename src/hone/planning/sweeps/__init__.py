"""What `hone train -m` would do with the same words: which runs, how long, and how much of the machine at a time."""
