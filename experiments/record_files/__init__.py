"""Records, costs and published tables on disk."""
