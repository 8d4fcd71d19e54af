"""Settings that change when a training steps and when it validates: it resumes to the weights of one that ran through."""

from pathlib import Path

import pytest
from resumed import assert_resumes

SCHEDULED = (
    "--trainer.callbacks+=pytorch_lightning.callbacks.GradientAccumulationScheduler",
    "--trainer.callbacks.scheduling={1: 2}",
)


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ((*SCHEDULED, "--trainer.val_check_interval=0.5"), 5),
        (("--trainer.accumulate_grad_batches=2", "--trainer.check_val_every_n_epoch=2"), 4),
    ],
)
def test_a_changed_loop_resumes(
    words: tuple[str, ...], steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, *words, steps=steps)
