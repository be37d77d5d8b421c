"""hone: fine-tune Hugging Face models from Hydra configs, and keep every result."""

__version__ = "0.1.0"
