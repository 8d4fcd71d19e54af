"""``python -m experiments VERB``: one verb per file of `commands` and `upkeep`, imported when it is asked for."""

import contextlib
import difflib
import errno
import importlib
import os
import select
import signal
import sys
from typing import TextIO, cast

from experiments.command_line.freed_memory import keep_freed_memory
from experiments.command_line.interrupts import describe_interruption, end_when_stopped, stay_if_stopped
from experiments.command_line.parent import end_with_parent, end_workers_with_parent, take_caller
from experiments.command_line.peers import (
    describe_lost_peer,
    end_with_first_process,
    is_further_process,
    wait_for_verdict,
)
from experiments.command_line.refusals import find_refusal
from experiments.command_line.unexpected import report_unexpected
from experiments.command_line.verbs import FOLDERS, VERBS, name_module
from experiments.files.printable import PrintableStream, escape_controls
from user_error import extract_message, find_user_error

DRAWING = ("fit",)
"""Verbs whose libraries draw progress bars with control characters on the standard output."""

HELP = """usage: python -m experiments VERB [options]

Train segmentation networks, sweep them over corruptions, and compare how far they fall.

{verbs}

examples:
  python -m experiments fit --config experiments/configs/recipe/synthetic_unet.yaml
  python -m experiments benchmark --checkpoint runs/synthetic_unet/best.ckpt
  python -m experiments leaderboard runs/*/record-core.json
  python -m experiments compare runs/unet/record-core.json runs/fpn/record-core.json
  python -m experiments report runs/*/record-core.json --output report.html

'python -m experiments VERB --help' says more about each."""


def make_help_text() -> str:
    """The overview of all verbs."""
    parts = (
        "\n".join([f"{folder.rpartition('.')[2]}:", *(f"  {verb:<12} {line}" for verb, line in lines.items())])
        for folder, lines in FOLDERS.items()
    )
    return HELP.format(verbs="\n\n".join(parts))


def describe(error: OSError) -> str:
    """Describe an error of the operating system in one sentence."""
    where = f" {error.filename!r}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full, or its quota: cannot write{where}; free some space or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission for{where}: choose another place or change its permissions"
    return f"{error.strerror or error}:{where or ' (no file named)'}; check the path"


def redirect_closed_output() -> bool:
    """Whether the reader of the standard output, such as ``head``, has closed it; it is then redirected to the null device."""
    if sys.stdout is None:  # closed from the start
        return False
    stdout = sys.stdout.fileno()
    watch = select.poll()
    watch.register(stdout, select.POLLERR)
    if not watch.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)  # or the interpreter would complain at its end
    return True


def run(verb: str, words: list[str]) -> None:
    """Run a verb, with control characters escaped in what it prints: names may come from untrusted files."""
    module = importlib.import_module(name_module(verb))
    if verb in DRAWING or sys.stdout is None:
        module.main(words)
        return
    with contextlib.redirect_stdout(cast(TextIO, PrintableStream(sys.stdout))):
        module.main(words)


def main(argv: list[str]) -> int:
    """Run a verb.

    The exit status is 0 on success, 2 for a user's mistake, 1 for an error of the operating system, 70 for an unexpected
    error (with its traceback, and a line that asks for a report), and more than 128 where a signal stopped the verb.
    """
    verb, *rest = argv or [""]
    if verb not in (*VERBS, "", "-h", "--help"):
        near = difflib.get_close_matches(verb, VERBS, n=1)
        suggestion = f"did you mean {near[0]}? The" if near else "the"
        print(f"error: unknown verb {verb!r}; {suggestion} verbs are {', '.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        if verb in VERBS:
            run(verb, rest)
        else:
            print(make_help_text(), flush=True)
    except KeyboardInterrupt:  # called from Python; see `prepare` for a process of its own
        print(f"\n{describe_interruption(verb, rest)}", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        stay_if_stopped()
        if isinstance(error, BrokenPipeError) and redirect_closed_output():
            return 128 + signal.SIGPIPE
        mistake = find_user_error(error)
        if mistake is not None:
            print(f"error: {escape_controls(extract_message(mistake))}", file=sys.stderr)
            return 2
        refused = find_refusal(error)
        if refused is not None:
            print(f"error: {escape_controls(refused)}", file=sys.stderr)
            return 2
        if isinstance(error, OSError) and error.errno is not None:
            print(f"error: {escape_controls(describe(error))}", file=sys.stderr)
            return 1
        lost = describe_lost_peer(error)
        if lost is not None:
            wait_for_verdict()
            print(f"error: {lost}", file=sys.stderr)
            return 1
        return report_unexpected(argv, error)
    return 0 if argv else 2


def prepare(argv: list[str]) -> None:
    """Set up this process: how it keeps its memory, and how it ends when it is stopped or its parent process ends."""
    keep_freed_memory()
    parent, further = take_caller(), is_further_process()
    verb = argv[0] if argv and argv[0] in VERBS else ""
    end_when_stopped(verb, argv[1:], silent=further or parent is not None)
    end_workers_with_parent()
    if parent is not None:
        (end_with_first_process if further else end_with_parent)(parent)


if __name__ == "__main__":
    prepare(sys.argv[1:])
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        stay_if_stopped()
        redirect_closed_output()
