"""How long things take, in turns with what a user would use instead, and how much memory."""
