"""Training: the command line of Lightning, run folders, and resuming."""
