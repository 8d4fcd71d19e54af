"""The one error that a user is meant to read: ``python -m experiments`` prints it as a sentence, without a traceback."""


class UserError(Exception):
    """Input, a file or a setting that cannot be used: the message names what was met, where, and the remedy."""
