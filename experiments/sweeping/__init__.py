"""One pass over the data under every condition, from the first batch to the record."""
