"""Optimisers that PyTorch lacks, constructed from parameter groups like PyTorch's."""
