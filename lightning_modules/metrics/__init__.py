"""Metrics: additive integer states, so that the sum over batches and processes is exact."""
