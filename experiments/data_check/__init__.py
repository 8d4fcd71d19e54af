"""Reading all of a data set once, before training, and saying what is wrong with it."""
