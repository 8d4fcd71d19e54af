"""The parser of the verbs that need no configuration files."""

import argparse
from typing import NoReturn

from experiments.command_line.parser_errors import describe_parser_error
from user_error import UserError


class SentenceParser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong, and leaves its exit to the caller."""

    def error(self, message: str) -> NoReturn:
        """What `argparse` calls.

        Raises:
            UserError: always.
        """
        raise UserError(describe_parser_error(ValueError(message)))


def list_examples(verb: str, examples: str) -> str:
    """Options and arguments of a verb, one example to a line, as the commands that they make."""
    return "\n".join(f"  python -m experiments {verb} {line}" for line in examples.strip().splitlines())


def light_parser(verb: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends with examples, one to a line; names are not abbreviated."""
    return SentenceParser(
        prog=f"python -m experiments {verb}",
        description=description,
        epilog=f"examples:\n{list_examples(verb, examples)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
