"""The arrows of the house: datamodules <- experiments -> lightning_modules, and light verbs without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import fill
from experiments.__main__ import VERBS

ROOT = Path(__file__).parent.parent
PACKAGES = ("safe_files", "datamodules", "experiments", "lightning_modules")
FAMILIES = (
    *("networks", "features", "tasks", "weightings", "losses", "metrics", "callbacks", "optimizers", "pruning"),
    *("batch_transforms", "objectives"),
)
ROOT_MODULES = ("lightning_modules.segmentation",)
RECORDS = sorted(path for path in (ROOT / "experiments/records").glob("*.py") if path.stem != "__init__")
READERS = (*fill.VERBS, "curves", "report", "verify", "collect", "fill", "trial", "ablate")
LIGHT = (*READERS, *(f"records.{path.stem}" for path in RECORDS))
HELPERS = sorted(path for path in (ROOT / "experiments").glob("*/**/*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def reaches(names: set[str], target: str) -> bool:
    return any(name == target or name.startswith(target + ".") for name in names)


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("datamodules", ("lightning_modules", "experiments", "segmentation_models_pytorch", "timm")),
        ("lightning_modules", ("datamodules", "experiments")),
        ("safe_files", ("datamodules", "lightning_modules", "experiments")),
    ],
)
def test_packages_do_not_import_each_other(package: str, forbidden: tuple[str, ...]) -> None:
    for path in files(package):
        for target in forbidden:
            assert not reaches(imports(path), target), f"{path} imports {target}"


@pytest.mark.parametrize("family", FAMILIES)
def test_families_do_not_import_the_root_modules(family: str) -> None:
    for path in files(f"lightning_modules/{family}"):
        for target in ROOT_MODULES:
            assert not reaches(imports(path), target), f"{path} imports {target}"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_records_rest_on_files_and_tables_alone(path: Path) -> None:
    """No verb below them, and no training."""
    below = {"experiments.records", "experiments.files"}
    ours = {name for name in imports(path) if name.startswith("experiments.")}
    assert all(any(name == one or name.startswith(f"{one}.") for one in below) for name in ours), ours


def test_top_level_of_experiments_is_its_verbs() -> None:
    """What they share lies in folders, so that the folder reads as the list of what one can do."""
    found = {path.stem for path in (ROOT / "experiments").glob("*.py")} - {"__init__", "__main__"}
    assert found == set(VERBS)


@pytest.mark.parametrize("path", HELPERS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_helpers_do_not_import_verbs(path: Path) -> None:
    verbs = {f"experiments.{verb}" for verb in VERBS}
    assert not verbs & imports(path)


def test_code_does_not_import_tests_or_notebooks() -> None:
    for package in PACKAGES:
        for path in files(package):
            assert not reaches(imports(path), "tests")
            assert not reaches(imports(path), "notebooks")


def test_light_modules_do_not_import_torch() -> None:
    """One after the other in one process, records before the verbs that read them: the first that brings one is named."""
    code = f"""
import importlib, sys
for name in {LIGHT[::-1]!r}:
    importlib.import_module(f"experiments.{{name}}")
    met = [heavy for heavy in ("torch", "wandb", "pandas") if heavy in sys.modules]
    if met:
        sys.exit(f"{{name}} imports {{met}}")
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_no_pickle() -> None:
    for package in PACKAGES:
        for path in files(package):
            text = path.read_text()
            assert "weights_only=False" not in text
            assert "allow_pickle=True" not in text
            assert not reaches(imports(path), "pickle") or imports(path) & {"pickle.UnpicklingError"}
