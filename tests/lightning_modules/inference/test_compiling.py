"""Compiled networks give the same logits, and everything around them stays."""

import copy

import pytest
import torch
from members import images
from torch import Tensor, nn

import lightning_modules.inference.compiling as compiling
from lightning_modules.inference.compiling import compile_network
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.ensembles.combination import watch_members
from lightning_modules.networks.ensembles.ensemble import Ensemble
from user_error import UserError


class Tiny(SegmentationNetwork):
    """One convolution and one normalisation: quickly compiled."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes, in_channels, stride=4)
        self.layer, self.norm = nn.Conv2d(in_channels, num_classes, 3, padding=1), nn.BatchNorm2d(num_classes)
        self.calls = 0

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images to logits."""
        return self.norm(self.layer(x))


@torch.inference_mode()
def test_members_are_compiled_and_still_watched() -> None:
    network = Ensemble(3, 3, members=[Tiny, Tiny]).eval()
    before = copy.deepcopy(network.state_dict())
    compiled = compile_network(network)
    with watch_members(compiled) as members:
        found = compiled(images(size=(9, 11)))
    torch.testing.assert_close(found, network(images(size=(9, 11))), rtol=0, atol=1e-5)
    assert len(members) == 2
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@torch.inference_mode()
def test_images_of_too_many_shapes_go_through_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.Size] = []

    def note(function, **settings):  # stands for torch.compile, which would take seconds for each shape
        def call(image: Tensor) -> Tensor:
            made.append(image.shape)
            return function(image)

        return call

    monkeypatch.setattr(torch, "compile", note)
    monkeypatch.setattr(compiling, "MOST_SHAPES", 2)
    network = Tiny(3, 3).eval()
    compiled = compile_network(network)
    for side in (8, 9, 10, 8, 10):
        assert torch.equal(compiled(images(size=(side, side))), network(images(size=(side, side))))
    assert [shape[-1] for shape in made] == [8, 9, 8]


@torch.inference_mode()
def test_a_machine_that_cannot_compile_gets_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no working C++ compiler was found")

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", refuse)
    with pytest.raises(UserError, match=r"no working C\+\+ compiler .*pass --passes folded"):
        compile_network(Tiny(3, 3).eval())(images(size=(13, 13)))
