"""The state machine of a study, and everything derived from its journal. No threads, no Ray."""
