"""Training without the embedding rows that no training text reads: nothing but weight decay ever moves those."""
