"""A trial of several processes: what each of them does, and how they are led as one."""
