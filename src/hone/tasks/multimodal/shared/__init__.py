"""What tasks on pictures with texts share."""
