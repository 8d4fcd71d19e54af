"""Each task against an independent computation."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import f1_score
from task_batches import CLASSES, batch, output_of, task_scores
from torch import Tensor

from lightning_modules.labels import IGNORED
from lightning_modules.tasks.base import Task
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.tasks.classification import Classification
from lightning_modules.tasks.depth import Depth
from lightning_modules.tasks.distance import Distance
from lightning_modules.tasks.reconstruction import Reconstruction


def scores(name: str, task: Task, output: Tensor, target: Tensor) -> dict:
    return task_scores(name, task.compute_counts(output, target).sum(0).numpy())


def test_classification_is_scikit_learns_f1() -> None:
    given, task = batch(), Classification()
    given["mask"][given["mask"] == 1] = 0
    target = task.make_target(given, CLASSES)
    shown = [[(mask == number).any().item() for number in range(CLASSES)] for mask in given["mask"]]
    assert target.bool().tolist() == shown
    output = output_of(task, target)
    message = (output > 0).int().numpy()
    present = np.flatnonzero(np.any(message, 0) | np.any(shown, 0))
    expected = f1_score(np.array(shown), message, labels=present, average="macro", zero_division=0)
    assert scores("classification", task, output, target)["f1"] == pytest.approx(expected)


def test_boundary_is_scikit_learns_f1() -> None:
    given, task = batch(), Boundary()
    target = task.make_target(given, CLASSES)
    output = output_of(task, target)
    known = (given["mask"] != IGNORED)[:, None]
    expected = f1_score(target[known].numpy(), (output[known] > 0).numpy())
    assert scores("boundary", task, output, target)["f1"] == pytest.approx(expected)


def test_distance_is_scipys() -> None:
    """The chessboard distance to the nearest pixel of another class, one image and class at a time."""
    given, task = batch(), Distance(reach=6)
    target = task.make_target(given, CLASSES)
    for mask, found in zip(given["mask"].numpy(), target[:, 0].numpy(), strict=True):
        for number in range(CLASSES):
            other = (mask != number) & (mask != IGNORED)
            distance = ndimage.distance_transform_cdt(~other, metric="chessboard") - 1
            inside = mask == number
            expected = distance.clip(0, 6)[inside] / 6 * (-1 if number == 0 else 1)
            np.testing.assert_allclose(found[inside], expected, atol=1e-6)
        assert np.isnan(found[mask == IGNORED]).all()
    output = output_of(task, target).clamp(-1, 1)
    expected_error = 6 * (output - target).abs().nanmean().item()
    assert scores("distance", task, output, target)["error"] == pytest.approx(expected_error, rel=1e-4)


def test_depth_by_the_formulas() -> None:
    given, task = batch(), Depth(invariance=0.5)
    given["depth"][0, :5] = 0  # not known there
    target = task.make_target(given, CLASSES)
    output = output_of(task, target)
    logs, true = output.detach()[:, 0].double().numpy(), given["depth"].double().numpy()
    each = []
    for message, depth in zip(logs, true, strict=True):
        errors = (message - np.log(np.where(depth > 0, depth, 1)))[depth > 0]
        each.append((errors**2).mean() - 0.5 * errors.mean() ** 2)
    assert task.compute_loss(output, target).item() == pytest.approx(np.mean(each), rel=1e-5)
    message, depth = np.exp(logs[true > 0]), true[true > 0]
    ratio = np.maximum(message / depth, depth / message)
    found = scores("depth", task, output, target)
    assert found["delta1"] == pytest.approx((ratio < 1.25).mean())
    assert found["relative_error"] == pytest.approx((np.abs(message - depth) / depth).mean(), rel=1e-4)


def test_a_wild_depth_overflows_no_sum() -> None:
    """A pixel's relative error counts as 100 at most, so that a thousand images of 1024 x 1024 stay below a record's 2^53."""
    task = Depth()
    for wild in (100.0, torch.inf):
        target = torch.full((1, 1, 4, 4), -0.7)
        assert scores("depth", task, torch.full((1, 1, 4, 4), wild), target) == {"delta1": 0, "relative_error": 100}
    assert task.compute_counts(torch.full((1, 1, 4, 4), 100.0), target)[0, 2] / 16 * 1000 * 1024 * 1024 < 2**53


def test_reconstruction_is_the_psnr_of_8_bit_images() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    given, task = batch(), Reconstruction()
    target = task.make_target(given, CLASSES)
    output = output_of(task, target)
    levels = (output.detach().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    expected = peak_signal_noise_ratio(given["image"].numpy(), levels)
    assert scores("reconstruction", task, output, target)["psnr"] == pytest.approx(expected)
    assert scores("reconstruction", task, target, target)["psnr"] is None
