"""What a network costs, as columns of a leaderboard."""

from experiments.files.tables import scaled
from experiments.records.cost_file import Costs
from experiments.records.ranking import COSTS, Row

COST_TITLES = ["parameters (M)", "multiply-adds (G)", "latency ratio"]


def cost_cells(row: Row) -> list[str]:
    """Those of a row, under `COST_TITLES`."""
    parameters, products, ratio = (row.get(key) for key in COSTS)
    return [scaled(parameters, 1e6), scaled(products, 1e9), "-" if ratio is None else f"{ratio:.2f}"]


def cost_note(costs: Costs) -> str:
    """On what they were measured."""
    known, (height, width) = costs.environment, costs.reference_cost.size
    return (
        f"Multiply-adds are those of an image of {height} x {width}; latencies are ratios to "
        f"{costs.reference_cost.name!r} at batch size {costs.reference_cost.batches[0].batch_size} on "
        f"{known.get('device')}, {known.get('threads')} threads, medians of {costs.rounds} rounds."
    )
