"""The scan that docs/export.md quotes."""

from networks import PATHS
from scan_exports import Found, describe, scan_network


def test_it_tries_what_a_graph_can_hold() -> None:
    """In every format; how many windows there are depends on the image."""
    paths = {path.stem: path for path in PATHS}
    assert scan_network(paths["unet_slide"]) == []
    found = scan_network(paths["fcn"])
    assert [one.format for one in found] == ["onnx", "torchscript", "pt2"]
    assert all(one.difference is not None and one.difference < 1e-3 for one in found)


def test_the_table_counts_what_is_written_and_says_why_the_rest_is_not() -> None:
    table = describe([Found("a", "onnx", 2e-5), Found("b", "onnx", None, "no such operator"), Found("a", "pt2", 1e-7)])
    assert "| `onnx` | 1 of 2 | 2e-05 |" in table
    assert "| `pt2` | 1 of 1 | 1e-07 |" in table
    assert "- onnx: b: no such operator" in table
