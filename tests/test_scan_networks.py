"""The page that tells of every decoder on every family of encoders, held to what is made."""

import pytest
from scan_networks import DECODERS, ENCODERS, REFUSED, TABLE, build, read_table

from user_error import UserError

CELLS = read_table(TABLE.read_text(encoding="utf-8"))
REFUSALS = [pair for pair, cell in CELLS.items() if cell == REFUSED]
SAMPLE = {encoder: decoder for decoder, encoder in REFUSALS if encoder in ENCODERS[::3]}
"""One of every third encoder."""


def test_the_page_tells_of_every_pair() -> None:
    assert CELLS.keys() == {(decoder, encoder) for decoder in DECODERS for encoder in ENCODERS}


@pytest.mark.parametrize(("encoder", "decoder"), SAMPLE.items())
def test_what_the_page_calls_refused_is_refused(encoder: str, decoder: str) -> None:
    with pytest.raises(UserError):
        build(decoder, encoder)
