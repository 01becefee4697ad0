"""One study from spec to end: what the CLI, the Python API and notebooks share."""
