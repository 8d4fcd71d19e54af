"""Fixed-point unit and bins of the additive metric states; without torch, so that readers of records can import them."""

UNIT_BITS = 16
UNIT = 2**UNIT_BITS
"""Losses and confidences are counted in units of 1 / `UNIT`: sums of integers are exact in any order."""

CALIBRATION_BINS = 15
"""Bins of equal width over the confidence: (0, 1/15], (1/15, 2/15], ..."""

LOG_ODDS_PER_OCTAVE = 16
LEAST_LOG_ODDS_EXPONENT = -12
LOG_ODDS_BINS = 28 * LOG_ODDS_PER_OCTAVE
"""Bins of the log odds of the predicted class, in nats above those of equal chances: from 2^-12 to 2^16, 16 to an octave.

Bins of equal width over the confidence would put nearly every pixel of a sure network into the last one, and bins of
the odds end where a float32 does. These resolve confidences alike whatever the logits are multiplied by.
"""

IMAGE_LOG_ODDS_GROUP = 8
IMAGE_LOG_ODDS_BINS = LOG_ODDS_BINS // IMAGE_LOG_ODDS_GROUP
"""Bins of single images: so many of the above make one, two to an octave."""

BOUNDARY_RATIO = 0.02
"""Width of the boundary region relative to the image's diagonal (Cheng et al., CVPR 2021)."""
