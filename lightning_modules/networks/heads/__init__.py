"""Encoder-decoders with other heads than one convolution."""
