"""Which cells a sweep tries next."""
