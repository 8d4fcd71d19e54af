"""Conditions of a sweep that depend on the network, such as attacks and test-time adaptation."""
