"""What several text tasks share: reading rows, padding, windows, tags, generation."""
