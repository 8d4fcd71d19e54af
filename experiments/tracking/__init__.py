"""Weights & Biases: one run for a training and all its sweeps."""
