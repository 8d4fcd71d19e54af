"""What networks say of single pixels, and what follows from it."""
