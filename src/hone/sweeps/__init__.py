"""Sweeps: the space, samplers, pruners, launchers, and the driver that turns cells into runs.

What depends on Hydra is in `sweeps.hydra`. What happens inside one run belongs in `training`."""
