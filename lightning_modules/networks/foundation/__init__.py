"""Foundation encoders: vision transformers of timm, such as DINOv2 and DINOv3, and the heads on their tokens."""
