"""Readers of networks as others publish them, one file for each format, and the match of their classes to the data's."""
