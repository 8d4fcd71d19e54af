"""Verbs: the only place where data and models meet. Run ``python -m experiments --help``."""

import sys

if sys.argv[:1] == ["-m"]:  # as a command: Ctrl-C ends it without a traceback, also before it has learnt how to end
    import signal

    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

import torchvision_operators  # noqa: F401  (first: see there)
