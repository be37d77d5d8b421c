"""Where weights and processors come from; one file a way."""
