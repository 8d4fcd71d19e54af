"""Tasks beside segmentation: what a shared encoder may learn with it."""
