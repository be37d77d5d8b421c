"""What tasks on pictures share."""
