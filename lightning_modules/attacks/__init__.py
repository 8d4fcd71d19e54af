"""Attacks: images in a small ball around given ones that raise a network's loss, to train with and to test by."""
