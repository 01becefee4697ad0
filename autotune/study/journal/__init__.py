"""The write-ahead journal of a study: a checked file or a database; reading, repairing, locks."""
