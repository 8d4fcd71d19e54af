"""Changes of whole training batches, on their device."""
