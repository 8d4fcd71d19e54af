"""Optimisers that PyTorch does not have: each made from parameter groups, as PyTorch's are."""
