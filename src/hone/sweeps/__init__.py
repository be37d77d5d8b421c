"""From the cells of a sweep to processes: drivers, ledgers, samplers, pruners, launchers. What Hydra has to do with it
is in `sweeps.hydra`. What happens inside one run belongs in `training`."""
