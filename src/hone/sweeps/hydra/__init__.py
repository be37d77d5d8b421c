"""What depends on Hydra: the sweeper, the axes of the command line, and the composition of the cells' configs."""
