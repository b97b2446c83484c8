"""Measurements: ``python -m tests.bench [PREFIX]`` prints one JSON object per measurement whose name has the prefix."""
