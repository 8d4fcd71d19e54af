"""How well confidence ranks what is right above what is wrong: curves and areas of histograms, from the most confident bin on.

What lies in one bin counts as tied: each order of it is as likely, and every number here is the mean over these orders,
in closed form.
"""

import numpy as np

TRUE_POSITIVES = 0.95
"""Of the pixels that are right, where the rate of false positives is stated."""


def risk_coverage_curve(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and selective risk after each bin that holds pixels, from the most confident on.

    Args:
        histogram: (bins, 2): pixels and correct ones, from the most confident bin on.
    """
    pixels = histogram[:, 0].cumsum()
    wrong = (histogram[:, 0] - histogram[:, 1]).cumsum()
    filled = histogram[:, 0] > 0
    return pixels[filled] / max(1, pixels[-1]), wrong[filled] / np.maximum(1, pixels[filled])


def risk_coverage_area(histogram: np.ndarray) -> np.ndarray:
    """Area (...) under the risk-coverage curve of pixels (Geifman et al., ICLR 2019), 0 at best; NaN without pixels.

    Args:
        histogram: (..., bins, 2): pixels and correct ones, from the most confident bin on.
    """
    right, wrong = _split(histogram)
    return selective_risk_area(right + wrong, wrong)


def selective_risk_area(items: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """The mean (...), over every number k of items, of the mean risk of the k most confident ones; NaN without items.

    Args:
        items: (..., groups), how many are tied in their confidence, from the most confident group on.
        risks: (..., groups), the sum of their risks.
    """
    items, risks = items.astype(np.float64), risks.astype(np.float64)
    before, risks_before = items.cumsum(-1) - items, risks.cumsum(-1) - risks
    rate = _divide(risks, items, 0.0)
    steps = harmonic_number(before + items) - harmonic_number(before)
    return _divide((risks + (risks_before - before * rate) * steps).sum(-1), items.sum(-1))


def roc_area(histogram: np.ndarray) -> np.ndarray:
    """Area (...) under the ROC curve: how often a right pixel is more confident than a wrong one, ties one half.

    NaN where all pixels are right, or all are wrong.
    """
    right, wrong = _split(histogram)
    less_confident = wrong.sum(-1, keepdims=True) - wrong.cumsum(-1)
    return _divide((right * (less_confident + wrong / 2)).sum(-1), right.sum(-1) * wrong.sum(-1))


def false_positive_rate(histogram: np.ndarray) -> np.ndarray:
    """Share (...) of the wrong pixels that are as confident as the most confident 95 % of the right ones.

    Within a bin the ROC curve is a straight line. NaN where all pixels are right, or all are wrong.
    """
    right, wrong = _split(histogram)
    wanted = TRUE_POSITIVES * right.sum(-1, keepdims=True)
    reached = right.cumsum(-1)
    at = np.minimum((reached < wanted).sum(-1, keepdims=True), right.shape[-1] - 1)
    own, beyond = (np.take_along_axis(part, at, -1)[..., 0] for part in (wrong, wrong.cumsum(-1)))
    share = _divide(np.take_along_axis(reached, at, -1) - wanted, np.take_along_axis(right, at, -1), 0.0)[..., 0]
    rate = _divide(beyond - share * own, wrong.sum(-1))
    return np.where(right.sum(-1) > 0, rate, np.nan)


def average_precision_of_right(histogram: np.ndarray) -> np.ndarray:
    """Average precision (...) of finding right pixels by their confidence; NaN where there are none."""
    return _average_precision(*_split(histogram))


def average_precision_of_wrong(histogram: np.ndarray) -> np.ndarray:
    """Average precision (...) of finding wrong pixels by the lack of confidence; NaN where there are none."""
    right, wrong = _split(histogram)
    return _average_precision(wrong[..., ::-1], right[..., ::-1])


def _average_precision(found: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The mean over what is to be found of the precision where each is reached, first bins first.

    The j-th of the n pixels of a bin is one of its p with the chance p / n; then (j - 1) (p - 1) / (n - 1) of those
    before it are expected to be.
    """
    items = found + other
    before, found_before = items.cumsum(-1) - items, found.cumsum(-1) - found
    slope = _divide(found - 1, items - 1, 0.0)
    steps = harmonic_number(before + items) - harmonic_number(before)
    precision = slope * items + (found_before + 1 - slope * (before + 1)) * steps
    return _divide((_divide(found, items, 0.0) * precision).sum(-1), found.sum(-1))


def _split(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pixels, right = np.moveaxis(histogram, -1, 0).astype(np.float64)
    return right, pixels - right


def _divide(one: np.ndarray, other: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    return np.divide(one, other, out=np.full(np.shape(other), otherwise), where=np.asarray(other) > 0)


def harmonic_number(number: np.ndarray) -> np.ndarray:
    """1 + 1/2 + ... + 1/n for whole n >= 0, to about 1e-15 relative."""
    exact = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, 129))])
    small = number < len(exact)
    large = np.where(small, len(exact), number)
    series = np.log(large) + np.euler_gamma + 1 / (2 * large) - 1 / (12 * large**2) + 1 / (120 * large**4)
    return np.where(small, exact[np.where(small, number, 0).astype(int)], series)
