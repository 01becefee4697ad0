"""Adapters for training frameworks, each imported by the code that uses it alone."""
