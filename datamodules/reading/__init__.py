"""Finding, decoding and interpreting files of images and masks."""
