"""Tasks on pictures with texts."""
