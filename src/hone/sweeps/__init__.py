"""A sweep: which runs it is made of, who runs them, and what is known of each."""
