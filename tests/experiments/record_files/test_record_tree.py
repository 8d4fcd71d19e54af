"""Where records lie."""

from pathlib import Path

from records import make_record

from experiments.record_files.record_file import read_record
from experiments.record_files.record_tree import make_record_path


def test_protocols_have_a_folder_each(tmp_path: Path) -> None:
    usual = read_record(make_record(tmp_path / "a.json"))
    others = [
        read_record(make_record(tmp_path / f"{place}.json", protocol=protocol))
        for place, protocol in enumerate(({"scored_at": "file"}, {"aspect": "keep"}, {"scored_at": "file"}))
    ]
    assert make_record_path(usual, tmp_path) == tmp_path / "scenes/test/net.json"
    one, other, same = (make_record_path(record, tmp_path) for record in others)
    assert one.parent.name.startswith("test-protocol-")
    assert one == same != other
