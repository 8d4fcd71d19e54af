"""Fixed-point unit and bins of the additive metric states; without torch, so that readers of records can import them."""

UNIT = 2**16
"""Losses and confidences are counted in units of 1 / `UNIT`: sums of integers are exact in any order."""

CALIBRATION_BINS = 15
"""Bins of equal width over the confidence: (0, 1/15], (1/15, 2/15], ..."""

ODDS_PER_OCTAVE = 4
LEAST_ODDS_EXPONENT = -32
ODDS_BINS = 40 * ODDS_PER_OCTAVE
"""Bins of the odds against the prediction, (1 - confidence) / confidence, from 2^-32 to 2^8, in quarters of each octave.

Networks are mostly confident: bins of equal width over the confidence would put nearly every pixel into the last one and
could not rank them. Bins of the odds resolve these pixels, in the same order.
"""

BOUNDARY_RATIO = 0.02
"""Width of the boundary region relative to the image's diagonal (Cheng et al., CVPR 2021)."""
