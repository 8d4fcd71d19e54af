"""What is fitted tells conditions apart, measures distances, and flags what is poor; its file is checked when it is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from datamodules.grouping import Grouping
from experiments.trust.error_rates import measure_rates, measure_recognition, require_others
from experiments.trust.fitting import Known, fit_trust
from experiments.trust.image_statistics import NAMES as OF_IMAGE
from experiments.trust.observed import Observed, score_images
from experiments.trust.statistics import NAMES
from experiments.trust.trust_model import TrustModel, read_trust
from user_error import UserError

CONDITIONS = [("clean", 0), ("noise", 1), ("noise", 5), ("fog", 3)]
KNOWN = Known("a" * 64, "test v1", 0.5, 0.1, None, "validation")


def make_observed(images: int, seed: int, conditions: list[tuple[str, int]] = CONDITIONS) -> Observed:
    """Statistics that each condition moves in a direction of its own, and scores that fall with the second one."""
    draw = np.random.default_rng(seed)
    directions = np.random.default_rng(9).normal(size=(len(CONDITIONS), len(NAMES)))
    strengths = np.array([CONDITIONS.index(one) > 0 for one in conditions])[:, None] * 4.0
    places = [CONDITIONS.index(one) for one in conditions]
    statistics = draw.normal(size=(images, len(conditions), len(NAMES))) + strengths * directions[places]
    scores = (
        0.8
        - 0.5 * np.array([one == ("noise", 5) for one in conditions])
        + 0.1 * draw.normal(size=(images, len(conditions)))
    )
    return Observed([f"{seed} {at}" for at in range(images)], conditions, statistics, scores.clip(0, 1))


@pytest.fixture(scope="module")
def model() -> TrustModel:
    return fit_trust(make_observed(60, 0, CONDITIONS[:1]), make_observed(200, 1), KNOWN)


def test_conditions_are_recognised_in_other_images(model: TrustModel) -> None:
    found = measure_recognition(model, make_observed(50, 2), "test")
    assert found.corruption.value is not None
    assert found.corruption.value > 0.95
    assert found.severity_within_one is not None
    assert found.severity_within_one > 0.9


def test_the_flag_keeps_its_share_of_misses_in_other_images(model: TrustModel) -> None:
    clean, changed = measure_rates(model, make_observed(400, 3), "test")
    assert (clean.name, changed.name) == ("test, clean", "test, changed")
    assert changed.missed.value == pytest.approx(KNOWN.misses, abs=0.05)
    assert changed.false_alarms.value is not None
    assert changed.false_alarms_by_confidence is not None
    assert changed.false_alarms.value < changed.false_alarms_by_confidence  # these scores do not follow from confidence
    assert changed.auroc.value is not None
    assert changed.auroc.value > 0.95
    assert changed.gain.low is not None
    assert changed.gain.low > 0


def test_intervals_are_over_units(model: TrustModel) -> None:
    """Cases of one image, and images of one patient, are no further evidence: shares of copies are as wide as of one."""
    one = make_observed(60, 3)
    copies = one.select([place for place in range(60) for _ in range(4)])
    named = copies._replace(ids=[f"{place}" for place in range(240)])
    grouped = named._replace(grouping=Grouping([f"patient {place // 4:02d}" for place in range(240)]))
    alone, together, apart = (measure_rates(model, each, "test")[1] for each in (one, grouped, named))
    assert together.missed == pytest.approx(alone.missed)
    assert together.auroc == pytest.approx(alone.auroc)
    assert apart.missed.value == pytest.approx(alone.missed.value)
    widths = [found.missed.high - found.missed.low for found in (apart, alone)]  # type: ignore[operator]
    assert widths[0] < 0.7 * widths[1]
    several = one._replace(
        conditions=[*one.conditions[:3], *[("fog", 3)] * 4], statistics=one.statistics[:, [0, 1, 2, *[3] * 4]]
    )
    several = several._replace(scores=one.scores[:, [0, 1, 2, *[3] * 4]])
    narrow, wide = measure_rates(model, one, "test")[1].missed, measure_rates(model, several, "test")[1].missed
    assert narrow == pytest.approx(wide)  # the poor ones are those of "noise 5" in both


def test_images_of_a_unit_are_judged_by_what_was_fitted_on_others() -> None:
    """Copies of an image in two parts would make the risk of the left-out part look surer than it is."""
    validation = make_observed(30, 1)
    copies = validation.select([*range(30), *range(30)])
    units = [f"patient {place % 30}" for place in range(60)]
    grouped = fit_trust(make_observed(60, 0, CONDITIONS[:1]), copies._replace(grouping=Grouping(units)), KNOWN)
    leaky = fit_trust(make_observed(60, 0, CONDITIONS[:1]), copies, KNOWN)
    assert grouped.threshold != leaky.threshold
    sequence = copies._replace(grouping=Grouping(["drive"] * 60, [*range(0, 60, 2), *range(1, 60, 2)]))
    as_pieces = [f"{place}" for place in np.argsort(np.argsort(sequence.grouping.places or [])) * 5 // 60]
    assert (
        fit_trust(make_observed(60, 0, CONDITIONS[:1]), sequence, KNOWN).threshold
        == fit_trust(
            make_observed(60, 0, CONDITIONS[:1]), copies._replace(grouping=Grouping(as_pieces)), KNOWN
        ).threshold
    )


def test_images_that_were_fitted_on_are_not_measured_on() -> None:
    """An image of the same name in another split is another image, unless it looks the same."""
    fitted, others = make_observed(5, 1), make_observed(5, 2)
    require_others(fitted, others._replace(ids=fitted.ids))
    shared = others._replace(
        ids=[*others.ids, "1 3"], statistics=np.concatenate([others.statistics, fitted.statistics[3:4]])
    )
    with pytest.raises(UserError, match=r"the image '1 3' is in the validation split.*pass --data"):
        require_others(fitted, shared)


def test_the_distance_is_mahalanobis(model: TrustModel) -> None:
    """As scipy computes it, from the covariance of the standardised statistics; far images are farther than all clean ones."""
    one = make_observed(1, 4).statistics[0, 0]
    standardised = model.standardise(one)
    expected = mahalanobis(standardised, np.zeros_like(standardised), np.asarray(model.precision))
    found = model.judge(one)
    assert found.distance == pytest.approx(expected)
    assert 0 <= found.farther <= 1
    assert model.judge(one + 100).farther == 0
    assert model.judge(np.asarray(model.centre)).farther == 1


def test_real_shifts_have_rows_of_their_own(model: TrustModel) -> None:
    """Of the images that each selects; corruptions beside them are told together."""
    observed = make_observed(40, 3, [("clean", 0), ("noise", 5), ("fog", 3)])
    scores = observed.scores.copy()
    scores[:30, 2] = np.nan
    conditions = [("clean", 0), ("noise", 5), ("time_of_day=dusk", 0)]
    observed = observed._replace(scores=scores, conditions=conditions, shifts=["time_of_day=dusk"])
    rows = measure_rates(model, observed, "test")
    assert [(row.name, row.cases) for row in rows] == [
        ("test, clean", 40),
        ("test, time_of_day=dusk", 10),
        ("test, changed", 40),
    ]
    assert measure_rates(model, observed, "test", ["changed"]) == rows[1:]


def test_a_judgement_says_what_is_known_of_the_condition(model: TrustModel) -> None:
    expected = {("clean", 0): 0.9, ("noise", 1): 0.8, ("noise", 5): 0.1, ("fog", 3): None}
    told = fit_trust(make_observed(60, 0, CONDITIONS[:1]), make_observed(40, 1), KNOWN._replace(expected=expected))
    found = told.judge(make_observed(1, 5, [("noise", 5)]).statistics[0, 0])
    assert (found.condition, found.expected, found.trusted) == (("noise", 5), 0.1, False)
    assert 0.5 < found.chance <= 1
    assert told.judge(make_observed(1, 5, [("fog", 3)]).statistics[0, 0]).expected is None
    with pytest.raises(UserError, match="are no numbers"):
        model.judge(np.full(len(NAMES), np.nan))


@pytest.mark.parametrize(
    ("observed", "least", "message"),
    [
        (make_observed(5, 1), 0.5, "the validation split gave 5 images: too few to fit on, 10 are needed"),
        (
            make_observed(20, 1)._replace(grouping=Grouping(["a", "b"] * 10)),
            0.5,
            "gave 2 units, such as patients: too few to fit on, 5 are needed",
        ),
        (
            make_observed(20, 1, CONDITIONS[:2]),
            0.01,
            r"no segmentation is below a score of 0\.01.*pass another --least",
        ),
        (make_observed(20, 1)._replace(scores=np.zeros((20, 4))), 0.5, "all segmentations are below"),
    ],
)
def test_too_little_to_fit_on_is_refused(observed: Observed, least: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_trust(make_observed(60, 0, CONDITIONS[:1]), observed, KNOWN._replace(least=least))


def test_a_file_is_read_as_it_was_written(model: TrustModel, tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text(model.model_dump_json())
    found = read_trust(path, KNOWN.checkpoint, [*NAMES])
    statistics = make_observed(3, 6).statistics
    np.testing.assert_array_equal(found.estimate_risk(statistics), model.estimate_risk(statistics))
    assert found.of_image == len(OF_IMAGE)
    with pytest.raises(UserError, match="is of another checkpoint"):
        read_trust(path, "b" * 64, [*NAMES])
    with pytest.raises(UserError, match="is of other statistics"):
        read_trust(path, KNOWN.checkpoint, ["level"])


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [[0.0]]},
        {"scale": [0.0] * len(NAMES)},
        {"precision": [[1.0] * 2] * len(NAMES)},
        {"distances": []},
        {"threshold": float("nan")},
        {"least": 2},
        {"of_image": 10**6},
        {"format": "other"},
        {"further": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_file_that_does_not_agree_with_itself_is_refused(
    change: dict[str, Any], model: TrustModel, tmp_path: Path
) -> None:
    path = tmp_path / "trust.json"
    path.write_text(json.dumps({**model.model_dump(), **change}))
    with pytest.raises(UserError, match="is not what 'trust' writes"):
        read_trust(path, KNOWN.checkpoint, [*NAMES])


def test_scores_are_of_the_foreground() -> None:
    """Against sums by hand; without any foreground there is none."""
    masks = torch.tensor([[[0, 1], [1, 255]], [[0, 0], [0, 0]], [[2, 2], [1, 0]]])
    predicted = torch.tensor([[[0, 1], [0, 1]], [[0, 0], [0, 0]], [[2, 1], [1, 0]]])
    found = score_images(predicted, masks, ["background", "one", "two"])
    np.testing.assert_allclose(found.numpy(), [0.5, np.nan, 0.5])
    assert score_images(predicted, masks, ["sky", "one", "two"])[1] == 1
