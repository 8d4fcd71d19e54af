"""Sweep files, and what the trials of one tell together."""
