"""The worker's side of an engine: what is done with an assignment, in whatever process."""
