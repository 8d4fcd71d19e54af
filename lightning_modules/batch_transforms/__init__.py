"""Transforms of training batches, on their device."""
