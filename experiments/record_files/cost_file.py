"""Files of measured costs."""

from collections.abc import Sequence
from pathlib import Path

from experiments.evaluation.costs import FORMAT, Costs, make_reference_key
from experiments.files.atomic_write import atomic_write
from experiments.files.json_file import read_json
from user_error import UserError


def write_costs(costs: Costs, path: Path) -> None:
    """Write the file atomically.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    with atomic_write(path) as file:
        file.write(costs.model_dump_json(indent=2) + "\n")


def read_costs(path: Path) -> Costs:
    """Read what 'costs' wrote.

    Raises:
        UserError: no such file, or no costs of this version.
    """
    costs = read_json(path, Costs, "costs", "holds no costs", "costs")
    if costs.format != FORMAT:
        raise UserError(f"{str(path)!r} has the format {costs.format!r}; this version reads {FORMAT!r}")
    return costs


def read_all_costs(paths: Sequence[Path]) -> list[Costs]:
    """Read several files whose latencies are ratios to one network, at one size of images and of batches.

    Raises:
        UserError: see `read_costs`; or their ratios do not stand in one column.
    """
    found = [read_costs(path) for path in paths]
    for path, costs in zip(paths[1:], found[1:], strict=True):
        if make_reference_key(costs) != make_reference_key(found[0]):
            raise UserError(
                f"the latencies of {str(paths[0])!r} and {str(path)!r} are ratios to different networks, or at different "
                "sizes: run 'costs' with the same --reference, --size and --batch-sizes, or pass one of them"
            )
    return found
