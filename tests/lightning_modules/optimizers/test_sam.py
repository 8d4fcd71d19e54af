import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from resumed import assert_resumes, fit
from torch import Tensor, nn

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from lightning_modules.optimizers.sam import SAM
from user_error import UserError

CURVATURE = torch.tensor([[1.0, 4.0]])


def bowl(weight: Tensor) -> Tensor:
    """An ellipse with the gradient 2 * CURVATURE * weight."""
    return (CURVATURE * weight**2).sum()


def closure_of(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return closure


def test_a_step_by_hand() -> None:
    """At (3, 1) the gradient is (6, 8), of length 10: with rho 0.5 the step takes the gradient at (3.3, 1.4)."""
    weight = nn.Parameter(torch.tensor([[3.0, 1.0]]))
    sam = SAM([weight], lr=0.1, rho=0.5)
    loss = sam.step(closure_of(sam, lambda: bowl(weight)))
    assert loss.item() == 13
    torch.testing.assert_close(weight.detach(), torch.tensor([[3 - 0.1 * 6.6, 1 - 0.1 * 11.2]]))


def test_an_adaptive_step_by_hand() -> None:
    """T g = (3.01 * 6, 1.01 * 8); the bias, with the gradient 2, is moved as by SAM."""
    weight, bias = nn.Parameter(torch.tensor([[3.0, 1.0]])), nn.Parameter(torch.tensor([1.0]))
    sam = SAM([weight, bias], lr=0.1, rho=0.5, adaptive=True)
    sam.step(closure_of(sam, lambda: bowl(weight) + bias.square().sum()))
    stretched = torch.tensor([3.01 * 6, 1.01 * 8, 2.0])
    stretched = 0.5 * stretched / stretched.norm()
    moved = torch.tensor([3.0, 1.0, 1.0]) + stretched * torch.tensor([3.01, 1.01, 1.0])
    expected = torch.tensor([3.0, 1.0, 1.0]) - 0.1 * 2 * torch.tensor([1.0, 4.0, 1.0]) * moved
    torch.testing.assert_close(torch.cat([weight.detach().flatten(), bias.detach()]), expected)


def test_the_weights_come_back_exactly() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(7, 5)
    before = nn.utils.parameters_to_vector(layer.parameters()).detach().clone()
    seen = []

    def loss() -> Tensor:
        seen.append(nn.utils.parameters_to_vector(layer.parameters()).detach().clone())
        return layer(torch.ones(2, 7)).square().sum()

    sam = SAM(layer.parameters(), lr=0.0, rho=0.3)
    sam.step(closure_of(sam, loss))
    assert torch.equal(seen[0], before)
    assert (seen[1] - before).norm().item() == pytest.approx(0.3, rel=1e-5)
    assert torch.equal(nn.utils.parameters_to_vector(layer.parameters()), before)


def test_both_passes_draw_the_same() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    weight = nn.Parameter(torch.ones(1, 2))
    sam = SAM([weight], lr=0.1)
    drawn = []

    def loss() -> Tensor:
        drawn.append(torch.rand(1).item())
        return bowl(weight)

    torch.manual_seed(0)
    sam.step(closure_of(sam, loss))
    assert drawn == [expected[0].item()] * 2
    assert torch.rand(1).item() == expected[1].item()


def test_a_parameter_without_gradient_stays() -> None:
    weight, unused = nn.Parameter(torch.ones(1, 2)), nn.Parameter(torch.ones(2))
    sam = SAM([weight, unused], lr=0.1)
    sam.step(closure_of(sam, lambda: bowl(weight)))
    assert torch.equal(unused.detach(), torch.ones(2))


def test_a_flat_place_is_no_division_by_zero() -> None:
    weight = nn.Parameter(torch.zeros(1, 2))
    sam = SAM([weight], lr=0.1)
    sam.step(closure_of(sam, lambda: bowl(weight)))
    assert torch.equal(weight.detach(), torch.zeros(1, 2))


def test_settings_of_a_group_and_the_rate_of_a_schedule_reach_the_base() -> None:
    weight, other = nn.Parameter(torch.tensor([[3.0, 1.0]])), nn.Parameter(torch.ones(1))
    groups = [{"params": [weight]}, {"params": [other], "lr": 0.0}]
    sam = SAM(groups, rho=0.5, base=lambda groups: torch.optim.SGD(groups, lr=0.2))
    schedule = torch.optim.lr_scheduler.LambdaLR(sam, lambda step: 0.5)
    sam.step(closure_of(sam, lambda: bowl(weight) + other.sum() * 0))
    torch.testing.assert_close(weight.detach(), torch.tensor([[3 - 0.1 * 6.6, 1 - 0.1 * 11.2]]))
    assert schedule.get_last_lr() == [0.1, 0.0]


@pytest.mark.parametrize("base", [torch.optim.AdamW, lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9)])
def test_a_state_is_restored(base: Callable) -> None:
    def steps(sam: SAM, weight: Tensor, number: int) -> None:
        for _ in range(number):
            sam.step(closure_of(sam, lambda: bowl(weight)))

    complete = nn.Parameter(torch.tensor([[3.0, 1.0]]))
    first = SAM([complete], base=base)
    steps(first, complete, 2)
    again = nn.Parameter(complete.detach().clone())
    second = SAM([again], base=base)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # PyTorch would share its tensors
    for group in (*first.param_groups, *second.param_groups):
        group["lr"] = 0.02
    steps(first, complete, 2)
    steps(second, again, 2)
    assert torch.equal(complete, again)


def test_refusals() -> None:
    weight = nn.Parameter(torch.ones(1, 2))
    with pytest.raises(UserError, match="rho of SAM is 0"):
        SAM([weight], rho=0)
    sam = SAM([weight], lr=0.1)
    bowl(weight).backward()
    with pytest.raises(UserError, match="accumulate_grad_batches"):
        sam.step(closure_of(sam, lambda: bowl(weight)))
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(bowl(weight)).backward()
    with pytest.raises(UserError, match="bf16-mixed"):
        scaler.step(sam)


class Bowl(pl.LightningModule):
    """Notes the gradients before and after they are clipped, and which weights were met."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[3.0, 1.0]]))
        self.met: list[list[float]] = []
        self.losses: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.met.append(self.weight.detach().flatten().tolist())
        loss = bowl(self.weight)
        self.losses.append(loss.item())
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> SAM:
        return SAM(self.parameters(), lr=0.1, rho=0.5)


def trainer(folder: Path, **settings: object) -> pl.Trainer:
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return pl.Trainer(default_root_dir=folder, accelerator="cpu", logger=False, max_steps=1, **silent, **settings)


def test_lightning_clips_both_passes_and_logs_the_second(tmp_path: Path) -> None:
    """Clipping to 1 leaves the direction (0.6, 0.8) of the climb; the step is of length 0.1 at most."""
    module = Bowl()
    run = trainer(tmp_path, gradient_clip_val=1.0)
    run.fit(module, torch.zeros(1, 1))
    assert module.met == [[3.0, 1.0], pytest.approx([3.3, 1.4])]
    gradient = torch.tensor([[6.6, 11.2]])
    torch.testing.assert_close(
        module.weight.detach(), torch.tensor([[3.0, 1.0]]) - 0.1 * gradient / (gradient.norm() + 1e-6)
    )
    assert run.global_step == 1
    assert run.callback_metrics["loss"].item() == pytest.approx(module.losses[1])


def test_bf16_is_clipped_as_well(tmp_path: Path) -> None:
    """The remedy that a refusal of 16-bit floats names."""
    module = Bowl()
    trainer(tmp_path, gradient_clip_val=1.0, precision="bf16-mixed").fit(module, torch.zeros(1, 1))
    assert module.met == [[3.0, 1.0], pytest.approx([3.3, 1.4])]


def test_lightning_refuses_accumulated_gradients(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="accumulate_grad_batches"):
        trainer(tmp_path, accumulate_grad_batches=2).fit(Bowl(), torch.zeros(2, 1))


def test_a_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, whose draws both passes share, with momentum and with clipped gradients."""
    dropout = "--model.init_args.network.init_args.dropout=0.2"
    assert_resumes("synthetic_unet_sam", tmp_path, monkeypatch, dropout)
    settings = read_checkpoint(tmp_path / "whole" / "last.ckpt")["hyper_parameters"]
    assert settings["optimizer"]["class_path"] == "lightning_modules.optimizers.sam.SAM"
    assert load_module(tmp_path / "whole" / "last.ckpt").num_classes == 5


def test_an_adaptive_training_around_another_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    chosen = "--model.init_args.optimizer.init_args"
    weights = fit(
        "synthetic_unet_sam",
        tmp_path,
        f"{chosen}.adaptive=true",
        f"{chosen}.rho=0.5",
        f"{chosen}.base=experiments/configs/optimizer/adamw.yaml",
    )
    assert all(torch.isfinite(value).all() for value in weights.values())
    load_module(tmp_path / "last.ckpt")
