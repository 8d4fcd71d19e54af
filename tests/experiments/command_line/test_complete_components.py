"""A component begins from its class's defaults, whatever stood before; a single setting changes what stands."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from experiments.command_line.complete_components import begin_from_defaults, require_order
from experiments.command_line.parser_errors import describe_parser_error
from user_error import UserError


class Inner:
    def __init__(self, p: int = 1, q: int = 2) -> None: ...


class Net:
    def __init__(self, classes: int, a: int = 1, b: int = 2, inner: Inner | None = None) -> None: ...


class Other(Net):
    def __init__(self, classes: int, a: int = 10, c: int = 3, **settings: Any) -> None:
        super().__init__(classes, a, **settings)


class Base(Net, ABC):
    @abstractmethod
    def answer(self) -> None: ...


class SegmentationModule:
    """What the components stand in, by its name."""

    def __init__(self, network: Callable[[int], Net], rate: float = 0.1) -> None: ...


class Variant(SegmentationModule):
    def __init__(self, alpha: float = 0.2, **settings: Any) -> None:
        super().__init__(**settings)


NET = "model.init_args.network"


def make_component(kind: type, **settings: Any) -> dict[str, Any]:
    return {"class_path": f"{__name__}.{kind.__name__}", "init_args": settings}


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The settings of the network after words that follow a recipe in which every setting is another than its default."""
    monkeypatch.chdir(tmp_path)
    recipe = make_component(
        SegmentationModule, rate=0.5, network=make_component(Net, a=5, b=6, inner=make_component(Inner, p=8, q=9))
    )
    files = {
        "recipe": {"model": recipe},
        "net": make_component(Net, b=7),
        "nested": make_component(Net, inner="inner.yaml"),
        "inner": make_component(Inner, q=5),
        "other": make_component(Other, c=4),
        "over": {"model": {"init_args": {"network": "net.yaml"}}},
        "written": {"model": {"init_args": {"network": make_component(Net, b=7)}}},
        "partial": {"model": {"init_args": {"network": {"init_args": {"b": 7}}}}},
    }
    for name, content in files.items():
        Path(f"{name}.yaml").write_text(yaml.safe_dump(content))
    begin_from_defaults()

    def parse(*words: str) -> dict[str, Any]:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--config", action="config")
        parser.add_subclass_arguments(SegmentationModule, "model")
        model = parser.parse_args(["--config=recipe.yaml", *words]).model.init_args
        found = model.network.init_args.as_dict() | {"rate": model.rate}
        inner = found.pop("inner")
        return found | ({} if inner is None else inner["init_args"])

    return parse


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {"a": 5, "b": 6, "p": 8, "q": 9}),
        ([f"--{NET}=net.yaml"], {"a": 1, "b": 7}),
        ([f"--{NET}={__name__}.Net"], {"a": 1, "b": 2}),
        ([f'--{NET}={{"class_path": "{__name__}.Net", "init_args": {{"b": 7}}}}'], {"a": 1, "b": 7}),
        (["--config=over.yaml"], {"a": 1, "b": 7}),
        (["--config=written.yaml"], {"a": 1, "b": 7}),
        ([f"--{NET}=other.yaml"], {"a": 10, "b": 2, "c": 4}),
        ([f"--{NET}=nested.yaml"], {"a": 1, "b": 2, "p": 1, "q": 5}),
        ([f"--{NET}.init_args.inner=inner.yaml"], {"a": 5, "b": 6, "p": 1, "q": 5}),
        ([f"--{NET}.init_args.b=7"], {"a": 5, "b": 7, "p": 8, "q": 9}),
        ([f"--{NET}.init_args.inner.init_args.q=3"], {"a": 5, "b": 6, "p": 8, "q": 3}),
        (["--config=partial.yaml"], {"a": 5, "b": 7, "p": 8, "q": 9}),
        ([f"--{NET}=net.yaml", f"--{NET}.init_args.a=4"], {"a": 4, "b": 7}),
        ([f"--model={__name__}.Variant"], {"a": 5, "b": 6, "p": 8, "q": 9}),
        ([f"--model={__name__}.Variant", f"--{NET}=net.yaml"], {"a": 1, "b": 7}),
    ],
)
def test_what_is_left_out_is_a_default(parsed: Callable, words: list[str], settings: dict[str, Any]) -> None:
    assert parsed(*words) == settings | {"rate": 0.5}


def test_a_setting_before_its_component_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"--data\.init_args\.size stands before --data, which begins from the defaults"
    ):
        require_order(["--data.init_args.size=[8,8]", "--data=other.yaml"])
    require_order(["--data=other.yaml", "--data.init_args.size=[8,8]", "--model.init_args.start=x", "--model=y"])
    require_order(["--data.init_args.size=[8,8]", "--data=other.yaml", "--data.init_args.size=[9,9]"])
    require_order(["--data=one.yaml", "--data.init_args.size=[8,8]", "--data=other.yaml"])  # over which all begins anew


def test_the_base_of_others_is_refused_before_it_is_built(parsed: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(ArgumentError) as refused:
        parsed(f"--{NET}={__name__}.Base")
    assert describe_parser_error(refused.value) == (
        f"--{NET}: Base is abstract, the base of others: name a YAML of experiments/configs/network/ first"
    )
