"""Ray Tune as an engine. The only package that imports ray."""
