"""The foundation that every other package uses: the contract of a task, errors, value types, seeds, the cache, and the
wording of messages. Nothing here reads a config, a run's folder or a tracker."""
