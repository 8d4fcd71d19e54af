"""Auxiliary tasks beside segmentation, for a shared encoder."""
