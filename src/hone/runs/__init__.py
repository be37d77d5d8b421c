"""What lies on disk for a run or a sweep: folders, `run.json`, the journal, snapshots, identities. Nothing here trains,
and torch is imported by the snapshots alone. What a running process does belongs in `training`."""
