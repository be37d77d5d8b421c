"""Where weights and processors come from, one kind per file."""
