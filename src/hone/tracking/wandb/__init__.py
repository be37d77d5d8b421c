"""Everything that is specific to Weights & Biases: the tracker, its files, `hone sync`, artifacts, downloads.
`wandb` is imported nowhere else, and its private names are in `workarounds` alone."""
