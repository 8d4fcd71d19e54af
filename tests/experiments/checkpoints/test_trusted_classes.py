"""Classes of the project's own packages are trusted in the file of another, a user's own file among them; no others are."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from datamodules.base import SegmentationDataModule
from datamodules.corruptions.base import Corruption
from experiments.checkpoints.trusted_classes import TRUST, find_trusted
from experiments.checkpoints.untrusted_settings import build, require_plain_component
from user_error import UserError

MINE = {
    "datamodules": """
from pathlib import Path

from datamodules.corruptions.base import Corruption
from datamodules.datasets.synthetic import SyntheticDataModule


def make(path: str = "") -> Path:
    return Path(path)


class Mine(SyntheticDataModule):
    def __init__(self, corruption: Corruption, others: list[Corruption] | None = None, **settings: object) -> None:
        super().__init__(**settings)
        self.corruption, self.others = corruption, others
""",
    "datamodules.corruptions": """
from pathlib import Path

from datamodules.corruptions.base import Corruption


def make(path: str = "") -> Path:
    return Path(path)


class Mine(Corruption):
    name = "mine"
    family = "digital"
    severities = {"bits": (5, 4, 3, 2, 1)}

    def corrupt(self, images, keys, *, bits):
        return images
""",
    "lightning_modules.networks": """
from pathlib import Path

from torch import nn


def make(path: str = "") -> Path:
    return Path(path)


class Mine(nn.Module):
    pass
""",
}
"""A user's file in each package, beside those that come with the project."""

BASES = {
    "datamodules": SegmentationDataModule,
    "datamodules.corruptions": Corruption,
    "lightning_modules.networks": nn.Module,
}
CORRUPTION = {"class_path": "datamodules.corruptions.of_a_user.Mine"}


@pytest.fixture
def files_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(TRUST, raising=False)
    for package, text in MINE.items():
        folder = tmp_path / package
        folder.mkdir()
        (folder / "of_a_user.py").write_text(text)
        module = importlib.import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
    yield
    for package in MINE:
        sys.modules.pop(f"{package}.of_a_user", None)
        vars(sys.modules[package]).pop("of_a_user", None)


@pytest.mark.usefixtures("files_of_a_user")
@pytest.mark.parametrize("package", MINE)
def test_a_class_in_a_users_file_is_trusted_in_every_package(package: str) -> None:
    settings = {"corruption": CORRUPTION, "others": [CORRUPTION]} if package == "datamodules" else {}
    component = {"class_path": f"{package}.of_a_user.Mine", "init_args": settings}
    require_plain_component(BASES[package], component, "the file", "it")
    made = build(BASES[package], component, "the file")
    assert type(made).__module__ == f"{package}.of_a_user"
    if settings:
        assert type(made.corruption).__name__ == type(made.others[0]).__name__ == "Mine"


@pytest.mark.usefixtures("files_of_a_user")
@pytest.mark.parametrize("package", MINE)
@pytest.mark.parametrize("name", ["make", "Path"])
def test_what_else_such_a_file_holds_is_not(package: str, name: str) -> None:
    """A function, and a class that it has from elsewhere."""
    with pytest.raises(UserError, match="which is no class of this project"):
        find_trusted(f"{package}.of_a_user.{name}", "the file")


@pytest.mark.usefixtures("files_of_a_user")
@pytest.mark.parametrize("text", ['{"class_path": "os.system"}', "os.system", "evil.yaml"])
def test_a_text_in_the_place_of_a_corruption_is_refused(text: str) -> None:
    for settings in ({"corruption": text}, {"corruption": CORRUPTION, "others": [text]}):
        component = {"class_path": "datamodules.of_a_user.Mine", "init_args": settings}
        with pytest.raises(UserError, match="it was refused"):
            require_plain_component(SegmentationDataModule, component, "the file", "it")


@pytest.mark.parametrize(
    "name", ["datamodules_of_a_user.Mine", "experiments.upkeep.fill.main", "safe_files.text.Path", "tests.x.Y"]
)
def test_other_packages_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRUST, raising=False)
    with pytest.raises(UserError, match="which is no class of this project"):
        find_trusted(name, "the file")
    assert "datamodules_of_a_user" not in sys.modules
