"""Builds a network from a checkpoint, a head and an adapter. What only affects speed belongs in `training.fast`."""

from hone.core.broken_torchvision import hide_broken_torchvision

hide_broken_torchvision()  # before anything here imports a network of transformers
