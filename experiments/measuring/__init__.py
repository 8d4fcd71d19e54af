"""Measurements of time, in turns with a baseline, and of memory."""
