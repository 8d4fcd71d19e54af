"""The parser of the verbs that need no configuration files."""

import argparse


def list_examples(verb: str, examples: str) -> str:
    """Options and arguments of a verb, one example to a line, as the commands that they make."""
    return "\n".join(f"  python -m experiments {verb} {line}" for line in examples.strip().splitlines())


def light_parser(verb: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends with examples, one to a line; names are not abbreviated."""
    return argparse.ArgumentParser(
        prog=f"python -m experiments {verb}",
        description=description,
        epilog=f"examples:\n{list_examples(verb, examples)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
