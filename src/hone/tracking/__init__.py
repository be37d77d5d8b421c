"""Where a run's numbers go: always the journal, and what the config's `tracker` names besides."""
