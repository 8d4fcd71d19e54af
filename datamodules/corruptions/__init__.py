"""Corruptions: one file per family; a suite lists the conditions of a sweep."""
