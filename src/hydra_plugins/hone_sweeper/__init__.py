"""Where Hydra looks for plugins. It imports these modules in every program that uses Hydra, so they hold next to nothing."""
