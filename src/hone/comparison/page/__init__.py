"""The report in one HTML file: its skeleton, its style, its scripts."""
