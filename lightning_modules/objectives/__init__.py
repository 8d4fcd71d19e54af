"""How the loss of a training follows from batch and network."""
