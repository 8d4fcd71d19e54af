"""Verbs: the only place where data and models meet. Run ``python -m experiments --help``."""

import torchvision_operators  # noqa: F401  (first: see there)
