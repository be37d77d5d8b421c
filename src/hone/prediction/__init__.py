"""Rows from wherever they are, through a model, to wherever they are wanted: a chunk at a time."""
