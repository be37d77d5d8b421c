"""A stand-in for W&B's server on this machine, for the real client to talk to; see README.md."""
