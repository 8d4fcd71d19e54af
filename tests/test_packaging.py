"""What ``pip install .`` installs: every package with the files that it reads, and no records."""

import tomllib
from pathlib import Path

from setuptools import find_packages

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = ("datamodules", "lightning_modules", "experiments", "safe_files")
ASIDE = ("results", "launch", "studies")


def test_every_folder_of_modules_is_a_package() -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for name in FOLDERS for path in (ROOT / name).rglob("*.py")}
    assert found == set(find_packages(str(ROOT), include=SETTINGS["packages"]["find"]["include"]))
    assert {path.stem for path in ROOT.glob("*.py")} == set(SETTINGS["py-modules"])


def test_no_committed_setting_or_script_leads_out_of_the_repository() -> None:
    kinds = (".yaml", ".sh", ".ipynb")
    found = [path for name in (*FOLDERS, "notebooks") for path in (ROOT / name).rglob("*") if path.suffix in kinds]
    found = [path for path in [*found, ROOT / "Makefile"] if "results" not in path.parts]
    assert len(found) > 100
    assert [path for path in found if "../shared" in path.read_text()] == []


def test_files_that_the_packages_read_are_installed() -> None:
    installed = {
        path for pattern in SETTINGS["package-data"]["experiments"] for path in (ROOT / "experiments").glob(pattern)
    }
    others = {
        path
        for name in FOLDERS
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
        if not set(path.relative_to(ROOT / name).parts[:1]) & set(ASIDE)
    }
    assert others == {path for path in installed if path.is_file()}
