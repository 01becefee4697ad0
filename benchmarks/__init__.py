"""Speed and memory, measured; README.md says what each figure is."""
