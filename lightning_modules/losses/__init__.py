"""Losses: logits (B, K, H, W) and mask (B, H, W) to a scalar; pixels of `IGNORED` do not count."""
