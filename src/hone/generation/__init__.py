"""What tasks share that write texts."""
