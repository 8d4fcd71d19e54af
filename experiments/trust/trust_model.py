"""What is known of when to trust a network's masks: a JSON file, and what it says of the statistics of an image."""

from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from experiments.evaluation.failures import Bounded
from experiments.files.json_file import read_json
from user_error import UserError

Vector = list[FiniteFloat]
Condition = tuple[str, int]


class Rates(BaseModel):
    """How often the flag errs on images of one kind.

    Attributes:
        name: of the images, such as "test, clean".
        cases: images under conditions that have a score.
        poor: of them, those whose score is below the least.
        missed: share of the poor ones that are trusted; `None` if there are none. This and the other numbers with an
            interval have that of the jackknife over units, such as patients, for the flag as it is.
        false_alarms: share of the others that are not trusted; `None` if there are none.
        false_alarms_by_confidence: the same where the mean confidence of an image is the only sign, at as many misses.
        auroc: chance that a poor image has a higher risk than another one; `None` if one kind is lacking.
        gain: by how much that is above the same of the mean confidence.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    cases: int
    poor: int
    missed: Bounded
    false_alarms: Bounded
    false_alarms_by_confidence: float | None
    auroc: Bounded
    gain: Bounded


class Recognition(BaseModel):
    """How often the condition of an image is recognised, over images of one kind."""

    model_config = ConfigDict(extra="forbid")

    name: str
    corruption: Bounded
    severity_within_one: float | None


class Judgement(NamedTuple):
    """What the statistics of an image say.

    Attributes:
        condition: name and severity of what the image most resembles.
        chance: of that condition among all of the suite, were they equally frequent.
        distance: from the training images, in standard deviations (Mahalanobis).
        farther: share of clean images of the validation split that lie farther from them.
        expected: score that is known for that condition.
        risk: chance that the score of the image is below the least.
        trusted: whether the risk is below the threshold.
    """

    condition: Condition
    chance: float
    distance: float
    farther: float
    expected: float | None
    risk: float
    trusted: bool


class TrustModel(BaseModel):
    """Fitted on the validation split under a suite; see `experiments.trust.fitting`.

    Attributes:
        checkpoint: SHA-256 of the network's file.
        suite: its title.
        least: score below which a segmentation is poor: the mean IoU of an image over the classes but the background.
        statistics: names of the columns.
        of_image: how many of them are of the image alone; the condition is recognised by these.
        centre: mean of each statistic of the training images.
        scale: deviation of each; statistics are standardised by both.
        precision: inverse covariance (S, S) of the standardised statistics of training images.
        distances: 101 quantiles of the distances of clean validation images.
        conditions: name and severity of each of the C conditions.
        weights: (C, of_image), of each condition.
        biases: (C,).
        expected: the mean score under each condition, `None` where there is none.
        expected_from: the name of the record that says it, or "validation".
        risk_weights: (S + 2,): of the standardised statistics, the logarithm of the distance, and the expected score.
        risk_bias: of the risk's log odds.
        threshold: risk from which on an image is not trusted.
        recognition: measured.
        rates: measured.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["robust-segmentation-trust/1"] = "robust-segmentation-trust/1"
    checkpoint: str
    suite: str
    least: float = Field(gt=0, lt=1)
    statistics: list[str]
    of_image: int = Field(gt=0)
    centre: Vector
    scale: Vector
    precision: list[Vector]
    distances: Vector
    conditions: list[Condition]
    weights: list[Vector]
    biases: Vector
    expected: list[FiniteFloat | None]
    expected_from: str
    risk_weights: Vector
    risk_bias: FiniteFloat
    threshold: FiniteFloat
    recognition: list[Recognition] = []
    rates: list[Rates] = []

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        number, conditions = len(self.statistics), len(self.conditions)
        sizes = {
            "centre": (len(self.centre), number),
            "scale": (len(self.scale), number),
            "precision": (len(self.precision), number),
            "weights": (len(self.weights), conditions),
            "biases": (len(self.biases), conditions),
            "expected": (len(self.expected), conditions),
            "risk_weights": (len(self.risk_weights), number + 2),
            "distances": (len(self.distances), 101),
        }
        wrong = [name for name, (found, wanted) in sizes.items() if found != wanted]
        wrong += ["precision"] * any(len(row) != number for row in self.precision)
        wrong += ["weights"] * any(len(row) != self.of_image for row in self.weights)
        if wrong or not conditions or self.of_image > number or min(self.scale, default=0) <= 0:
            raise ValueError(f"{(wrong or ['conditions, of_image or scale'])[0]} does not fit the other entries")
        return self

    def standardise(self, statistics: np.ndarray) -> np.ndarray:
        """Statistics (..., S) of mean 0 and deviation 1 over the training images."""
        return (np.asarray(statistics, np.float64) - self.centre) / self.scale

    def measure_distance(self, standardised: np.ndarray) -> np.ndarray:
        """Distances (...) of standardised statistics (..., S) from those of the training images."""
        squares = np.einsum("...i,ij,...j->...", standardised, np.asarray(self.precision), standardised)
        return np.sqrt(np.maximum(squares, 0))

    def recognise(self, standardised: np.ndarray) -> np.ndarray:
        """The chances (..., C) of each condition."""
        odds = standardised[..., : self.of_image] @ np.asarray(self.weights).T + self.biases
        odds = np.exp(odds - odds.max(-1, keepdims=True))
        return odds / odds.sum(-1, keepdims=True)

    def make_signs(self, standardised: np.ndarray) -> np.ndarray:
        """What the risk follows from, (..., S + 2)."""
        known = [0.0 if one is None else one for one in self.expected]
        further = np.log1p(self.measure_distance(standardised)), self.recognise(standardised) @ known
        return np.concatenate([standardised, np.stack(further, -1)], -1)

    def estimate_risk(self, statistics: np.ndarray) -> np.ndarray:
        """The chance (...) that the score of an image is below `least`, from its statistics (..., S)."""
        odds = self.make_signs(self.standardise(statistics)) @ np.asarray(self.risk_weights) + self.risk_bias
        return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))

    def judge(self, statistics: np.ndarray) -> Judgement:
        """What the statistics (S,) of one image say.

        Raises:
            UserError: they are no numbers.
        """
        if not np.isfinite(statistics).all():
            raise UserError("the statistics of the image are no numbers, so nothing can be said of its mask")
        standardised = self.standardise(statistics)
        chances, distance = self.recognise(standardised), float(self.measure_distance(standardised))
        place, risk = int(chances.argmax()), float(self.estimate_risk(statistics))
        nearer = float(np.interp(distance, self.distances, np.linspace(0, 1, 101)))
        name, severity = self.conditions[place]
        expected = self.expected[place]
        return Judgement(
            (name, severity), float(chances[place]), distance, 1 - nearer, expected, risk, risk < self.threshold
        )


def is_trust(found: Any) -> bool:
    """Whether parsed JSON seems to be what `trust` wrote."""
    return isinstance(found, dict) and {"checkpoint", "risk_weights", "statistics"} <= found.keys()


def read_trust(path: Path, checkpoint: str, statistics: list[str]) -> TrustModel:
    """What `trust` wrote of a checkpoint.

    Args:
        path: of the file.
        checkpoint: SHA-256 of the network's file.
        statistics: names of those that this version computes.

    Raises:
        UserError: it is no such file, or of another network or version.
    """
    model = read_json(path, TrustModel, "file", "is not what 'trust' writes", "trust")
    if model.checkpoint != checkpoint:
        raise UserError(f"{str(path)!r} is of another checkpoint: fit it on this one with 'trust'")
    if model.statistics != statistics:
        raise UserError(f"{str(path)!r} is of other statistics than this version computes: write it anew with 'trust'")
    return model
