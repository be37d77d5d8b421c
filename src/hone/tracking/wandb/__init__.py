"""Weights & Biases: the only package that imports its client."""
