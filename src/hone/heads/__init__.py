"""The part of a network that sits on the backbone, one kind per file."""
