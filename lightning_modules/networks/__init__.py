"""Networks: (B, C, H, W) uint8, or float in [0, 1], to logits (B, K, H, W) at the input's size."""
