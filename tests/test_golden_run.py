import json
from pathlib import Path

import numpy as np
import pytest
from golden_run import GOLDEN, run_sweep, run_training

HELD = json.loads(GOLDEN.read_text())


def test_a_sweep_counts_what_it_counted() -> None:
    found = run_sweep()
    losses, held = (np.array(one.pop("losses")) for one in (found, dict(HELD["swept"])))
    assert found == {name: value for name, value in HELD["swept"].items() if name != "losses"}
    np.testing.assert_allclose(losses, held, rtol=1e-5)  # a processor's exponential may differ in its last digit


def test_a_training_learns_what_it_learned(tmp_path: Path) -> None:
    found = run_training(tmp_path)
    assert len(found["train/loss"]) == len(HELD["trained"]["train/loss"]) == 12
    assert found["train/loss"][:3] == pytest.approx(HELD["trained"]["train/loss"][:3], rel=1e-3)
    assert found["train/loss"] == pytest.approx(HELD["trained"]["train/loss"], rel=0.05)  # as they drift apart
    assert found["val/miou"] == pytest.approx(HELD["trained"]["val/miou"], abs=0.02)
