"""One run, from config to scores: prepare, assemble, loop, results. Optimisers and schedules are in `training.optim`;
what may only change the speed is in `training.fast`."""
