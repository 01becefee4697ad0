"""Samplers and schedulers beside their peers, on recorded or surrogate learning curves."""
