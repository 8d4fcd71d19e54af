"""Data: data sets, loaders and corruptions. Knows pixels, never models."""

import torchvision_operators  # noqa: F401  (first: see there)
