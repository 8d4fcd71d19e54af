"""Checkpoints and the run folders that they lie in: read, rebuilt, and made of others."""
