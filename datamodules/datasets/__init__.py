"""Data sets: one file per data set or form of folder."""
