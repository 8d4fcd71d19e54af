from collections.abc import Iterator

import pytest
from processes import end_all


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Also where a test has failed before what it started has ended."""
    yield
    end_all()
