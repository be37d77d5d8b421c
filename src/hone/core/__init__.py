"""What every other package may use and what knows none of them: the contract of a task, errors, value types, seeds,
the cache, and words for people. Nothing here reads a config, a run folder or a tracker."""
