"""The command line of Lightning, and what it must know of processes and clusters."""
