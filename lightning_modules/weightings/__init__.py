"""Weightings, which combine the losses of several tasks."""
