"""Optimisers, schedules and averaged weights."""
