"""Metrics as sums over records, so that they can be computed of any resample of the records at once."""
