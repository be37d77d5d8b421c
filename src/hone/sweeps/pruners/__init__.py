"""When a run of a sweep is stopped early, and when a stopped one continues."""
