"""Ideas that are built into any encoder-decoder."""
