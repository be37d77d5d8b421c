"""How a sweep meets Hydra: axes from the command line, composition of the cells, the sweeper and launchers."""
