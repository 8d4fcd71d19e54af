"""Verbs that evaluate a network, or measure and plan what that takes."""
