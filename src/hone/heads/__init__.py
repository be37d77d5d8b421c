"""What sits on the backbone; one file a head."""
