"""Pruning of channels and of weights."""
