"""autotune beside what people write by hand today, at equal configurations and epochs."""
