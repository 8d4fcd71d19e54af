"""Counters of a sweep: additive integers by name."""
