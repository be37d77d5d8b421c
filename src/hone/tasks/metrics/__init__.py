"""Metrics, each defined once: what a record contributes, and the score of the sums."""
