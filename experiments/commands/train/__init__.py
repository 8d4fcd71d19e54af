"""Verbs before and during training."""
