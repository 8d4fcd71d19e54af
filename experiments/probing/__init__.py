"""Features and logits of single pixels, and what is fitted to them."""
