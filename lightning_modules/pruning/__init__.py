"""Networks made smaller or sparse."""
