"""What tasks on pictures with texts share."""

"""What tasks on pictures and texts share."""
