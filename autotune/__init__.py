"""Hyperparameter auto-tuning for deep learning. README.md says in which order to read it."""

__version__ = "0.1.0"
