"""Heads on one encoder against whole networks."""

import pytest
import torch
from members import images

from lightning_modules.networks.ensembles.multi_head import MultiHead
from lightning_modules.networks.parts.recurrent import ConvGru, ConvGruRefinement
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SETTINGS = {"architecture": "Unet", "encoder": "mobilenet_v2"}


@torch.inference_mode()
def test_each_head_is_a_network_with_the_shared_encoder() -> None:
    torch.manual_seed(0)
    heads = MultiHead(3, 3, heads=3, **SETTINGS).eval()
    image = images(size=(33, 47))
    member_logits = list(heads.compute_member_logits(image))
    assert len(member_logits) == 3
    parts = [heads.model, *heads.further]
    for message, part in zip(member_logits, parts, strict=True):
        alone = SmpNetwork(3, 3, **SETTINGS).eval()
        alone.model.encoder.load_state_dict(heads.model.encoder.state_dict())
        pieces = (
            part
            if part is not heads.model
            else {name: getattr(part, name) for name in ("decoder", "segmentation_head")}
        )
        for name in ("decoder", "segmentation_head"):
            getattr(alone.model, name).load_state_dict(pieces[name].state_dict())
        torch.testing.assert_close(message, alone(image))
    assert (member_logits[0] - member_logits[1]).abs().max() > 1e-4


@torch.inference_mode()
def test_the_encoder_runs_once() -> None:
    heads, calls = MultiHead(3, 3, heads=4, **SETTINGS).eval(), []
    heads.model.encoder.register_forward_hook(lambda *_: calls.append(1))
    heads(images())
    assert len(calls) == 1


def test_a_refinement_starts_at_zero_before_every_head() -> None:
    heads = MultiHead(3, 3, heads=3, parts=[ConvGru(hidden=4)], **SETTINGS)
    corrections = [one.correct for one in heads.modules() if isinstance(one, ConvGruRefinement)]
    assert len(corrections) == 3
    assert not any(one.weight.any() for one in corrections)


def test_refusals() -> None:
    with pytest.raises(UserError, match="heads is 0"):
        MultiHead(3, 3, heads=0, **SETTINGS)
