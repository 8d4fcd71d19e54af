"""Verbs that derive a checkpoint, or an ONNX graph, from checkpoints."""
