"""How files of images and masks are found, decoded and understood."""
