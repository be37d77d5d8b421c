"""Runs side by side: what they were given, what came of it, and whether that is more than chance."""
