"""Verbs that ask a network, or say what asking it takes."""
