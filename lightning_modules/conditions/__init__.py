"""Conditions of a sweep that depend on the network: attacks, adaptation and their kin."""
