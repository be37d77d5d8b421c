"""Answers that are parts of a context: in windows, as spans, and how they are scored."""
