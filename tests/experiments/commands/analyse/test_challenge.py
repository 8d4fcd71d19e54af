import csv
import io

import pytest
from challenge_pixels import NAMES, Pixels
from command_line import read_output, read_refusal
from scipy.stats import hmean

from experiments.record_files.record_file import write_record


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A record of each benchmark."""
    folder = tmp_path_factory.mktemp("challenge")
    for column in NAMES:
        record, images = Pixels(column).make_record(outliers=column == "subset")
        write_record(record, folder / f"{column}.json", images)
    return folder


def test_bravo(records):
    table = read_output("challenge", records / "subset.json")
    assert "| name | BRAVO index | semantic | OOD |" in table
    assert "net lacks ACDCrain, ACDCnight, ACDCsnow, synflare, outofcontext" in table
    rows = list(csv.DictReader(io.StringIO(read_output("challenge", records / "subset.json", "--format", "csv"))))
    total = {row["metric"]: float(row["value"]) for row in rows if row["subset"] == "total"}
    assert total["bravo_index"] == pytest.approx(hmean([total["semantic_hmean"], total["ood_hmean"]]))
    shown = f"{100 * total['bravo_index']:.1f} ["
    assert shown in table.splitlines()[2]


def test_acdc(records):
    table = read_output("challenge", records / "condition.json", "--of", "acdc")
    assert table.startswith("| name | fog | night | rain | snow | all |")
    assert "| class 3 |" in table


def test_refusals(records):
    acdc, bravo = records / "condition.json", records / "subset.json"
    assert "none of ACDCfog" in read_refusal("challenge", acdc)
    assert "none of fog" in read_refusal("challenge", bravo, "--of", "acdc")
    assert "were swept with different suite manifests" in read_refusal("challenge", bravo, acdc)
