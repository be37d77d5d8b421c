"""One run, from config to scores: prepare, assemble, loop, results. Optimisers and schedules are in `training.optim`;
what may only change the speed is in `training.fast`."""

from hone.core.broken_torchvision import hide_broken_torchvision

hide_broken_torchvision()  # before anything here imports Lightning or a network of transformers
