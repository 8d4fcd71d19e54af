"""LightningModules, networks, losses and metrics; this package imports no data sets."""

import torchvision_operators  # noqa: F401  (first: see there)
