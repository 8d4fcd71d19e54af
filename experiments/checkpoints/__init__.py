"""Checkpoints and their run folders: reading, rebuilding, and deriving checkpoints from others."""
