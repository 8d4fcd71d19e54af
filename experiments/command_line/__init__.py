"""What the verbs share as commands: options, errors, processes of their own."""
