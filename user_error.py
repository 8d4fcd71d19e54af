"""The one error that a user is meant to read: ``python -m experiments`` prints it as a sentence, without a traceback."""

import re


class UserError(Exception):
    """Input, a file or a setting that cannot be used: the message names what was met, where, and the remedy."""


def find_user_error(error: BaseException | None) -> UserError | None:
    """The user's error at the root of another one: parsers wrap what a constructor raises."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, UserError):
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def brief(error: BaseException) -> str:
    """What a library says, short enough to stand within a sentence: its first two lines, or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200] or type(error).__name__


LONGEST_WORD, LONGEST_REPORT = 300, 10_000


def report_of(error: BaseException) -> str:
    """What a library says, however much of a user's file it quotes: long words and the middle of long reports are left out."""
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda found: f"{found[0][:100]}...{found[0][-100:]}", str(error))
    return text if len(text) <= LONGEST_REPORT else f"{text[: LONGEST_REPORT // 2]} ... {text[-LONGEST_REPORT // 2 :]}"


def sentence(error: UserError) -> str:
    """The message alone: a loader's worker hands it over at the end of a printed traceback."""
    return str(error).rsplit(f"{UserError.__name__}: ", 1)[-1].strip()
