"""Tasks on pictures with texts."""

"""Tasks on pictures together with texts."""
