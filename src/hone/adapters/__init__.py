"""Which weights learn; one file a way."""
