"""The files of a static site of records: a page for each leaderboard and each record, an index, and JSON beside them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from experiments.evaluation.comparable import find_difference
from experiments.evaluation.metric_summary import MetricSummary
from experiments.evaluation.record import Record
from experiments.files.printable import escape_controls
from experiments.files.tables import format_edges, format_interval, format_percent
from experiments.record_files.record_tree import make_file_name
from experiments.reporting.boards import BoardOf, Gap, Submission
from experiments.reporting.report_page import Placement, make_contents, render
from experiments.reporting.tables import Column, Entry

DRAWN = 8
"""Records of a leaderboard that its charts show."""

RESERVED = ("index", "leaderboard")

BEHIND = Column("behind the first", "paired by images, with a 95 % interval; tied where it reaches 0", True)


class Named(NamedTuple):
    """What a site says of itself."""

    title: str
    results: str  # the folder of records, as the page on submissions names it
    repository: str | None


def make_site(boards: Sequence[BoardOf], named: Named) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file, in an order that follows from the records alone.

    Args:
        boards: of all records.
        named: the site.
    """
    yield ".nojekyll", b""  # some hosts would leave out names that begin with _
    yield "index.html", _encode(_render_index(boards, named))
    yield "submit.html", _encode(_render_submissions(boards, named))
    for board in boards:
        names = _name_pages(board.submissions)
        yield f"{board.folder}/index.html", _encode(_render_board(board, names, named))
        yield f"{board.folder}/leaderboard.json", _dump(describe_board(board, names))
        for place, name in enumerate(names):
            yield f"{board.folder}/{name}.html", _encode(_render_record(board, place, name, named))
            yield f"{board.folder}/{name}.json", board.submissions[place].path.read_bytes()


def describe_board(board: BoardOf, names: Sequence[str]) -> dict[str, Any]:
    """A leaderboard for programs: the rows of 'leaderboard --format json', with what the site knows beside."""
    first = board.ranked[0].record
    rows = [
        {
            **row,
            "rank": board.ranked[place].rank,
            "page": f"{names[place]}.html",
            "record": f"{names[place]}.json",
            "sha256": board.submissions[place].sha256,
            "behind": _describe_gap(board.gaps[place]),
            "checks": [check._asdict() for check in board.submissions[place].checks],
        }
        for place, row in enumerate(board.rows)
    ]
    return {
        "data": first.data.model_dump(mode="json"),
        "suite": {"name": first.suite.name, "version": first.suite.version, "hash": first.suite_hash},
        "classes": first.classes,
        "left_out": first.left_out,
        "rows": rows,
    }


def describe_site(boards: Sequence[BoardOf], named: Named) -> dict[str, Any]:
    """The index for programs."""
    return {
        "format": "robust-segmentation-site/1",
        "title": named.title,
        "leaderboards": [
            {
                "title": board.title,
                "protocol": board.ranked[0].record.suite.protocol_in_words,
                "page": f"{board.folder}/index.html",
                "json": f"{board.folder}/leaderboard.json",
                "records": len(board.ranked),
            }
            for board in boards
        ],
    }


def _name_pages(submissions: Sequence[Submission]) -> list[str]:
    """A name for each page: that of its record, with a digest where several would be one on some file system."""
    stems = [make_file_name(one.record.name) for one in submissions]
    taken = [stem.lower() for stem in stems]
    return [
        stem if taken.count(stem.lower()) == 1 and stem.lower() not in RESERVED else f"{stem}-{one.sha256[:12]}"
        for stem, one in zip(stems, submissions, strict=True)
    ]


def _render_board(board: BoardOf, names: Sequence[str], named: Named) -> str:
    placement = Placement(
        trail=[(named.title, "../../index.html")],
        files=[("leaderboard.json", "leaderboard.json"), ("how to submit a record", "../../submit.html")],
        addresses=[f"{name}.html" for name in names],
        column=(BEHIND, [_make_gap_entry(gap) for gap in board.gaps]) if len(board.ranked) > 1 else None,
        drawn=DRAWN,
        in_full=False,
    )
    paths = [one.path for one in board.submissions]
    return render(make_contents(board.ranked, paths, board.title, False, board.seen, placement))


def _render_record(board: BoardOf, place: int, name: str, named: Named) -> str:
    one, ranked, gap = board.submissions[place], board.ranked[place], board.gaps[place]
    contents = {**one.contents}
    tied = " (tied with the first: the interval of the difference reaches 0)" if gap is not None and gap.tied else ""
    contents["lead"] = f"Rank {ranked.rank} of {len(board.ranked)}{tied}. {contents['lead']}"
    contents["placement"] = contents["placement"]._replace(
        trail=[(named.title, "../../index.html"), (board.title, "index.html")], files=[("the record", f"{name}.json")]
    )
    contents["rows"] = [row._replace(rank=ranked.rank) for row in contents["rows"]]
    contents["origins"] = [origin._replace(rank=ranked.rank) for origin in contents["origins"]]
    return render(contents)


def _render_index(boards: Sequence[BoardOf], named: Named) -> str:
    records = sum(len(board.ranked) for board in boards)
    groups = groupby(boards, lambda board: board.ranked[0].record.data.name)
    shown = {
        "title": named.title,
        "lead": f"Records: {records}, leaderboards: {len(boards)}. How far segmentation networks fall under corruptions and "
        "real shifts. Records stand together where data, classes and protocol are the same.",
        "trail": [],
        "links": [("How to submit a record", "submit.html"), ("index for programs", "site.json")],
        "groups": [{"data": data, "boards": _describe_on_index([*own])} for data, own in groups],
    }
    return render(shown, "index.html.jinja")


def _describe_on_index(boards: Sequence[BoardOf]) -> list[dict[str, Any]]:
    """The rows of one data set; where several boards have one title, in what they differ from the first of them."""
    titled: dict[str, Record] = {}
    described = []
    for board in boards:
        record, summary = board.ranked[0].record, board.ranked[0].summaries[0]
        why = find_difference(titled.setdefault(board.title, record), record)
        described.append(
            {
                "suite": f"{record.suite.name} v{record.suite.version}",
                "protocol": record.suite.protocol_in_words,
                "note": "" if why is None else f"apart from the first of this name: swept {why}",
                "order": record.suite.order_in_words,
                "conditions": len(record.cells),
                "images": f"{record.data.images} ({record.data.split})",
                "records": len(board.ranked),
                "first": record.name,
                "score": f"{summary.metric.title} {_format_headline(summary)}",
                "address": f"{board.folder}/index.html",
                "first_address": f"{board.folder}/{_name_pages(board.submissions)[0]}.html",
                "json": f"{board.folder}/leaderboard.json",
            }
        )
    return described


def _render_submissions(boards: Sequence[BoardOf], named: Named) -> str:
    shown = {
        "title": "How to submit a record",
        "lead": "Anyone may: what a record says is recomputed from its counts.",
        "trail": [(named.title, "index.html")],
        "links": [],
        "results": named.results,
        "repository": named.repository,
        "boards": [
            {
                "title": board.title,
                "protocol": board.ranked[0].record.suite.protocol_in_words,
                "address": f"{board.folder}/index.html",
                "suite_hash": board.ranked[0].record.suite_hash,
                "data_hash": board.ranked[0].record.data.hash,
            }
            for board in boards
        ],
    }
    return render(shown, "submit.html.jinja")


def _format_headline(summary: MetricSummary) -> str:
    number = summary.numbers.get("corrupted") or summary.numbers["clean"]
    return format_interval(number.value, *number.edges)


def _make_gap_entry(gap: Gap | None) -> Entry:
    if gap is None or gap.value is None:
        return Entry("-", None)
    return Entry(format_percent(gap.value) + (" (tied)" if gap.tied else ""), -gap.value, format_edges(gap.edges))


def _describe_gap(gap: Gap | None) -> Mapping[str, Any] | None:
    return None if gap is None else {"value": gap.value, "low": gap.edges[0], "high": gap.edges[1], "tied": gap.tied}


def _encode(page: str) -> bytes:
    """A page in bytes; what would turn the direction of text or hide some of it is written out."""
    return escape_controls(page).encode()


def _dump(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
