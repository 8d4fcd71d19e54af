"""Pages that are filled by the commands in them."""

from pathlib import Path

import pytest
from command_line import read_refusal
from records import make_record

from experiments.__main__ import main
from experiments.upkeep.fill import fill_text
from user_error import UserError

PAGE = "Before.\n\n<!-- fill: {} -->\nold\n<!-- /fill -->\n\nAfter.\n"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for place in (0, 1):
        make_record(tmp_path / f"{place}.json", f"net {place}", place)
    return tmp_path


def test_a_block_gets_what_its_command_prints(records: Path, capsys: pytest.CaptureFixture) -> None:
    main(["leaderboard", "0.json", "1.json"])
    table = capsys.readouterr().out.strip("\n")
    page = fill_text(PAGE.format("leaderboard *.json"))
    assert page == f"Before.\n\n<!-- fill: leaderboard *.json -->\n\n{table}\n\n<!-- /fill -->\n\nAfter.\n"
    assert fill_text(page) == page


def test_several_blocks_each_get_their_own(records: Path) -> None:
    page = fill_text(PAGE.format("leaderboard 0.json") + PAGE.format("compare 0.json 1.json --format sentences"))
    assert "net 0" in page
    assert "net 1" not in page
    assert "\n> The difference " in page
    assert page.count("After.") == 2


def test_a_block_that_is_not_closed_swallows_nothing(records: Path) -> None:
    good = PAGE.format("leaderboard 0.json")
    for bad in (good.replace("<!-- /fill -->\n", "") + good, good + "<!-- /fill -->\n", good + "<!-- fill: x -->\n"):
        with pytest.raises(UserError, match="not closed"):
            fill_text(bad)


def test_a_page_is_checked_or_changed(records: Path, capsys: pytest.CaptureFixture) -> None:
    page = records / "page.md"
    page.write_text(PAGE.format("leaderboard 0.json"))
    assert "page.md would change" in read_refusal("fill", "--check", page)
    assert "old" in page.read_text()
    assert main(["fill", str(page)]) == 0
    assert "filled: " in capsys.readouterr().out
    assert "old" not in page.read_text()
    assert main(["fill", "--check", str(page)]) == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("fit --config x.yaml", "cannot call 'fit'"),
        ("leaderboard nothing-*.json", "no file fits 'nothing-*.json'"),
        ("leaderboard nothing.json", "nothing.json"),
        ("leaderboard 0.json --output=x.md", "cannot write files"),
        ("leaderboard 0.json --output x.md", "cannot write files"),
        ("tradeoff 0.json --costs c.json --figure=x.png", "cannot write files"),
        ("corruptions --parameters mine.yaml", "no suite 'mine.yaml'"),
        ("corruptions --suite=mine.yaml --list", "cannot write files"),
        ("leaderboard --help", "leave '--help' out"),
        ("fill page.md", "cannot call 'fill'"),
        ("leaderboard '0.json", "close what is quoted"),
        ("", "cannot call ''"),
        ("leaderboard /*/*/*/*/*/*", "folders of patterns"),
    ],
)
def test_wrong_blocks_are_refused(records: Path, words: str, named: str) -> None:
    page = records / "page.md"
    page.write_text(PAGE.format(words))
    assert named in read_refusal("fill", page)
    assert "no-page.md" in read_refusal("fill", "no-page.md")


def test_a_long_page_without_ends_is_refused_at_once(records: Path) -> None:
    (records / "page.md").write_text("<!-- fill: leaderboard 0.json -->\n" * 50_000)
    assert "not closed" in read_refusal("fill", records / "page.md")


def test_other_content_is_no_page(records: Path) -> None:
    for content in (b"\xfa\xfb", b"a\0b"):
        (records / "page.md").write_bytes(content)
        assert "pass a Markdown page" in read_refusal("fill", records / "page.md")
