"""One file a kind of problem; see `base` for the contract."""
