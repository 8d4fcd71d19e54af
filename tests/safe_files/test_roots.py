from pathlib import Path

import pytest

from safe_files import roots
from safe_files.roots import DATA, WEIGHTS, find_data, find_weights


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(DATA, raising=False)
    monkeypatch.delenv(WEIGHTS, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_repository_holds_both_by_default() -> None:
    assert find_data("data/camvid") == roots.CHECKOUT / "data" / "camvid"
    assert find_weights("weights/a.safetensors") == roots.CHECKOUT / "weights" / "a.safetensors"


def test_a_folder_at_hand_comes_first() -> None:
    Path("data/camvid").mkdir(parents=True)
    assert find_data("data/camvid") == Path("data/camvid")


def test_an_installed_copy_looks_where_it_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(roots, "CHECKOUT", tmp_path / "site-packages")
    assert find_data("data/camvid") == Path("data/camvid")


def test_the_environment_names_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("data/camvid").mkdir(parents=True)
    monkeypatch.setenv(DATA, str(tmp_path / "sets"))
    monkeypatch.setenv(WEIGHTS, "~/weights")
    assert find_data("data/camvid") == tmp_path / "sets" / "camvid"
    assert find_data("data") == tmp_path / "sets"
    assert find_weights("weights/a.pt") == Path.home() / "weights" / "a.pt"


@pytest.mark.parametrize(
    "path",
    ["/data/camvid", "camvid", "../data/camvid", "data/../camvid", "$HOME/a", "${" + DATA + "}/a", "other/data/a"],
)
def test_no_other_path_is_looked_up(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv(DATA, "/sets")
    monkeypatch.setenv(WEIGHTS, "/weights")
    assert str(find_data(path)) == str(find_weights(path)) == path


def test_names_of_the_hub_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS, "/weights")
    assert [str(find_weights(name)) for name in ("imagenet", "someone/weights")] == ["imagenet", "someone/weights"]
