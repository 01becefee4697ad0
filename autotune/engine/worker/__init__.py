"""The worker's side of an engine: runs an assignment, in whatever process."""
