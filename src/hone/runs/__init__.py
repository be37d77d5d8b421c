"""What a run or a sweep has on disk: folders, `run.json`, the journal, snapshots, identities. Nothing here trains, and
only the snapshots import torch. What a running process does belongs in `training`."""
