"""The Python API: what `import autotune` offers, each name imported when it is first used."""
