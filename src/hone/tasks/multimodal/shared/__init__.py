"""What tasks on pictures and texts share."""
