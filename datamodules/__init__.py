"""Data sets, loaders and corruptions; this package imports no models."""

import torchvision_operators  # noqa: F401  (first: see there)
