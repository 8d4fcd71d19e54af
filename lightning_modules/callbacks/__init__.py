"""Callbacks: one idea per file."""
