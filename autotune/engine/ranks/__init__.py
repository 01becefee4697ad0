"""Trials of several processes: what each process does, and how a leader drives them."""
