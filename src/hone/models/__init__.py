"""Builds a network from a checkpoint, a head and an adapter. What only affects speed belongs in `training.fast`."""
