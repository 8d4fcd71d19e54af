"""What a sweep counts of each batch, one idea each: additive integers by name."""
