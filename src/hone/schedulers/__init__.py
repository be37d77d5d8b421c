"""How the learning rate moves; one file a way."""
