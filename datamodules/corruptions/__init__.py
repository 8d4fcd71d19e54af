"""Corruptions: one file per family; a suite lists the conditions of a sweep."""

from datamodules.corruptions.named import corrupt, find_corruption, list_corruptions

__all__ = ["corrupt", "find_corruption", "list_corruptions"]
