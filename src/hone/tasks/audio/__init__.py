"""Tasks on sounds and speech."""
