"""The error that is shown to users: ``python -m experiments`` prints its message as a sentence, without a traceback."""

import re


class UserError(Exception):
    """Input, a file or a setting that cannot be used: the message names the problem, its place and the remedy."""


def find_user_error(error: BaseException | None) -> UserError | None:
    """The `UserError` among an error and its causes; parsers wrap what a constructor raises."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, UserError):
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


REFUSED_OBJECTS = "Weights only load failed"
"""How PyTorch begins to say that a file holds more than tensors; it goes on with how to run what is in it all the same."""


def shorten(error: BaseException) -> str:
    """The message of a library's error, short enough for a sentence: its first two lines, or the name of its class.

    Of a file whose objects PyTorch refuses, the object that it names.
    """
    if str(error).startswith(REFUSED_OBJECTS):
        found = re.search(r"GLOBAL (\S+)", str(error))
        return "it holds objects of Python" if found is None else f"it names {found[1][:100]}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200] or type(error).__name__


LONGEST_WORD, LONGEST_REPORT = 300, 10_000


def shorten_report(error: BaseException) -> str:
    """The message of a library's error without long words and without the middle of a long text, such as a quoted file."""
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda found: f"{found[0][:100]}...{found[0][-100:]}", str(error))
    return text if len(text) <= LONGEST_REPORT else f"{text[: LONGEST_REPORT // 2]} ... {text[-LONGEST_REPORT // 2 :]}"


def extract_message(error: UserError) -> str:
    """The message alone; an error from a worker process carries it at the end of a formatted traceback."""
    return str(error).rsplit(f"{UserError.__name__}: ", 1)[-1].strip()
