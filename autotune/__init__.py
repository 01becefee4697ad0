"""Hyperparameter auto-tuning for deep learning. Start at README.md: "read the code in this order"."""

__version__ = "0.1.0"
