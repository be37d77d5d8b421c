"""Which runs of a sweep are not worth finishing."""
