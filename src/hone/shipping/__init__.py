"""What `hone sync` sends."""
