"""Tasks on pictures together with texts."""
