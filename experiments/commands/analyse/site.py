"""Make a static site of records: a page for each, a leaderboard for each data set and protocol, JSON beside them."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

from tqdm import tqdm

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.compared_metrics import find_metric, list_metrics
from experiments.evaluation.metric_summary import MeasuredMetric, measure_metric, summarise_metric
from experiments.evaluation.record import drop_counts
from experiments.evaluation.seen import find_seen, split_by_seen
from experiments.evaluation.statistics import Scores
from experiments.files.own_folder import require_own, write_own_folder
from experiments.record_files.record_checks import list_checks
from experiments.record_files.record_file import is_record, open_record
from experiments.reporting.boards import Submission, make_boards
from experiments.reporting.report_page import Placement, make_contents
from experiments.reporting.site_pages import Named, describe_site, make_site
from experiments.reporting.tables import Ranked
from user_error import UserError

EXAMPLES = """
experiments/results --output site
results/camvid results/kvasir --output public --title "Robust segmentation"
"""

INDEX = "site.json"


def find_records(paths: Sequence[Path], output: Path) -> list[Path]:
    """The records among files and folders, sorted; other files of folders, and those of the site itself, are passed over.

    Raises:
        UserError: there is no such file, or there are no records.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (one for one in path.rglob("*.json") if one.is_file() and is_record(one))
            found |= dict.fromkeys(one for one in inside if not one.resolve().is_relative_to(output.resolve()))
        elif path.is_file():
            found[path] = None
        else:
            raise UserError(f"there is no {str(path)!r}: pass records, or folders of them")
    if not found:
        raise UserError(
            f"there are no records in {', '.join(map(str, paths))}: pass what 'benchmark' or 'collect' wrote"
        )
    return sorted(found)


class Read(NamedTuple):
    """What a process hands over of a record; metrics, which hold functions, go by their names."""

    submission: Submission  # without what was measured
    measured: list[tuple[str, Scores, Scores | None, str | None]]


def read_submission(path: Path) -> Read:
    """A record as a site shows it.

    Raises:
        UserError: it is no record, or does not agree with itself.
    """
    record, images = open_record(path)
    usual = [one for one in list_metrics([record]) if images is not None or not one.of_images]
    measured = [measure_metric(record, images, one) for one in usual]
    seen = find_seen(record.recipe)
    checks = list_checks(record, images)
    if wrong := next((check for check in checks if check.state == "wrong"), None):
        raise UserError(f"{str(path)!r} cannot be right: {wrong.why}; take it out")
    ranked = Ranked(1, record, [summarise_metric(one, seen) for one in measured])
    parts = split_by_seen(record.conditions, seen).seen
    placement = Placement("Scores", checks=checks)
    contents = make_contents([ranked], [path], record.name, False, parts, placement)
    order = None if images is None else sha256(repr((images.ids, images.grouping)).encode()).hexdigest()
    digest = sha256(path.read_bytes()).hexdigest()
    handed = [(one.metric.name, one.scores, one.floor, one.answer) for one in measured]
    return Read(Submission(path, digest, drop_counts(record), [], order, checks, contents), handed)


def take_over(read: Read) -> Submission:
    """A record with what was measured of it."""
    one = read.submission
    measured = [
        MeasuredMetric(one.record, find_metric(name, [one.record]), scores, floor, answer)
        for name, scores, floor, answer in read.measured
    ]
    return one._replace(measured=measured)


def read_submissions(paths: Sequence[Path]) -> list[Submission]:
    """All records, on all cores, less those whose file is that of an earlier one."""
    workers = min(len(paths), len(os.sched_getaffinity(0)))
    found: dict[str, Submission] = {}
    with ProcessPoolExecutor(workers, get_context("fork")) as pool:
        read = pool.map(read_submission, paths)
        for one in map(take_over, tqdm(read, total=len(paths), desc="reading", unit="record", delay=1)):
            if one.sha256 in found:
                print(f"{one.path} is the same record as {found[one.sha256].path}: shown once")
            if (
                one.sha256 not in found or found[one.sha256].images is None
            ):  # one with the counts of its images says more
                found[one.sha256] = one
    return list(found.values())


def write_site(
    records: Annotated[list[Path], Option(metavar="RECORDS")],
    /,
    *,
    output: Path = Path("site"),
    title: str = "Robust segmentation leaderboards",
    results: str = "results",
    repository: str | None = None,
) -> None:
    """Write a static site about records, for any web host or a folder on disk.

    A page for each record, a leaderboard for each data set and protocol with JSON beside it, an index, and a page on how to
    submit. All links are relative, and nothing is asked from elsewhere. The same records give the same bytes.

    Args:
        records: JSON files that 'benchmark' wrote, or folders of them.
        output: folder of the site's own: made, or replaced if this verb wrote it.
        title: heading of the index.
        results: folder of records in the repository that takes submissions.
        repository: its address, on the page on submissions.

    Raises:
        UserError: a record does not agree with itself, or the folder holds files of others.
    """
    require_own(output, INDEX)
    boards = make_boards(read_submissions(find_records(records, output)))
    named = Named(title, results, repository)
    pages = sum(2 * len(board.ranked) + 2 for board in boards) + 3
    contents = dict(tqdm(make_site(boards, named), total=pages, desc="writing", unit="file", delay=1))
    write_own_folder(output, contents, INDEX, describe_site(boards, named))
    number = sum(len(board.ranked) for board in boards)
    print(f"site: {output / 'index.html'}, records: {number}, leaderboards: {len(boards)}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("site", write_site, EXAMPLES, argv)
