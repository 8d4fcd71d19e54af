"""The arithmetic that families of corruptions share."""
