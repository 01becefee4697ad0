"""Commands to a running study: how they are sent, answered, journaled and obeyed."""
