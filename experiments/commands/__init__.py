"""Verbs of the command line, by the stage of work that they serve; one verb per file."""
