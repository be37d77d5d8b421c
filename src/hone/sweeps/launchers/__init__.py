"""Where the runs of a sweep are started: SLURM and Ray. Processes on this machine are in `sweeps.process`."""
