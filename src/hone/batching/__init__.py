"""Which rows share a batch; one file a way."""
