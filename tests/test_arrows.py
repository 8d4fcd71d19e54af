"""The arrows of the house: datamodules <- experiments -> lightning_modules, and light verbs without torch."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from experiments.command_line.verbs import FOLDERS, VERBS, name_module
from experiments.upkeep import fill

ROOT = Path(__file__).parent.parent
PACKAGES = ("safe_files", "datamodules", "experiments", "lightning_modules")
FAMILIES = (
    *("networks", "tasks", "weightings", "losses", "metrics", "callbacks", "optimizers", "pruning"),
    *("batch_transforms", "objectives", "attacks"),
)
ROOT_MODULES = ("lightning_modules.segmentation",)
READERS = (*fill.VERBS, "curves", "report", "site", "verify", "collect", "fill", "trial", "ablate")
PURE = {"user_error", "plain_values", "numpy", "scipy", "pydantic"}
"""What the evaluation may import beside Python's own: no file, no data and no network."""


def name_of(path: Path) -> str:
    """The import path of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


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


def test_the_evaluation_imports_nothing_else_of_ours() -> None:
    for path in files("experiments/evaluation"):
        roots = {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - PURE
        assert roots <= {"experiments"}, f"{path} imports {roots}"
        ours = {name for name in imports(path) if name.startswith("experiments")}
        assert all(name.startswith("experiments.evaluation") for name in ours), f"{path} imports {ours}"


def test_folders_of_verbs_hold_verbs_alone() -> None:
    """So that a folder reads as the list of what one can do at a stage; what verbs share lies elsewhere."""
    for folder, verbs in FOLDERS.items():
        found = {path.stem for path in (ROOT / "experiments" / folder.replace(".", "/")).glob("*.py")} - {"__init__"}
        assert found == set(verbs) or (folder == "upkeep" and set(verbs) < found)
    assert {path.stem for path in (ROOT / "experiments").glob("*.py")} == {"__init__", "__main__"}


def test_only_verbs_import_verbs() -> None:
    """A verb may take up another, as 'trial' does; what they share knows none."""
    verbs = {name_module(verb) for verb in VERBS}
    for path in files("experiments"):
        assert name_of(path) in verbs or not verbs & imports(path), f"{path} imports {verbs & imports(path)}"


def test_no_module_comes_back_to_itself() -> None:
    """Whichever way the arrows are followed, imports for types and those within functions included."""
    graph = {name_of(path): imports(path) for package in PACKAGES for path in files(package)}
    require_no_circle({name: found & graph.keys() - {name} for name, found in graph.items()})


def test_no_folder_of_experiments_comes_back_to_itself() -> None:
    arrows: dict[str, set[str]] = {}
    for path in files("experiments"):
        folder = path.relative_to(ROOT / "experiments").parts[0]
        beside = {name.split(".")[1] for name in imports(path) if name.startswith("experiments.")}
        arrows.setdefault(folder, set()).update(beside - {folder})
    require_no_circle(arrows)


def require_no_circle(arrows: Mapping[str, Iterable[str]]) -> None:
    """Fail where arrows lead back to where they began, with the way that they take."""
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_code_does_not_import_tests_or_notebooks() -> None:
    for package in PACKAGES:
        for path in files(package):
            assert not reaches(imports(path), "tests")
            assert not reaches(imports(path), "notebooks")


def test_light_modules_do_not_import_torch() -> None:
    """One after the other in one process, what verbs rest on before them: the first that brings one is named."""
    below = [name_of(path) for folder in ("evaluation", "record_files") for path in files(f"experiments/{folder}")]
    light = [*below, *map(name_module, READERS)]
    code = f"""
import importlib, sys
for name in {light!r}:
    importlib.import_module(name)
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
