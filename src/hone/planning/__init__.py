"""What a run would be like: whether it can be at all, how long, and how much of the machine it takes."""
