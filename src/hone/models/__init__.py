"""From a checkpoint to a network: checkpoints, heads, adapters, layers. The rest of the package sees the finished
network. What is optional for speed alone belongs in `training.fast`."""
