"""Intervals, tests and what they need; plain numbers in, plain numbers out."""
