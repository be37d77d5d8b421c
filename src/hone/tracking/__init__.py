"""Where the numbers of a run go: the contract of a tracker, csv and TensorBoard. Everything that is specific to
Weights & Biases is in `tracking.wandb`. The journal on disk is authoritative; it is in `runs`."""
