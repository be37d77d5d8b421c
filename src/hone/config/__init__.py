"""From words to objects: Hydra's composition, the checks, the settings of each command, and how parts are built.
`hydra` and `omegaconf` are imported here and in `sweeps.hydra` alone. What a part does belongs in its own package."""
