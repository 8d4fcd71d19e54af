"""Verbs: the only place where data and models meet. Run ``python -m experiments --help``."""
