"""What all verbs share as commands: options, error messages, and the processes that they start."""
