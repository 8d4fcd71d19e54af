"""Models: LightningModules, networks, losses and metrics. Knows tensors, never data sets."""

import torchvision_operators  # noqa: F401  (first: see there)
