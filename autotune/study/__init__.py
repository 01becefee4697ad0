"""The state machine of a study, and all that is derived from its journal. No threads, no Ray."""
