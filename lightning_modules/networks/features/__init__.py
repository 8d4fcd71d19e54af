"""Classical features: an image uint8 (H, W) or (H, W, C) to float32 maps (F, H, W) in [0, 1]."""
