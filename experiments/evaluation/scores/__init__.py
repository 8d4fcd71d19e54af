"""Scores as functions of counts, one idea each: a file with a mapping `SCORES` from names to scores is all that adds some."""
