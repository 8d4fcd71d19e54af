"""Verbs that make a checkpoint, or a graph, of checkpoints."""
