"""Data that published networks are converted for."""

import pytest
from published_folders import describe_data
from tiny_folder import make_tiny_folder

DATA_NAMES = ("sky", "Traffic_Light", "person", "road")
"""The networks' classes in another order, and otherwise written."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for a few images of noise with the four classes."""
    return describe_data(make_tiny_folder(tmp_path_factory.mktemp("data"), 4, DATA_NAMES))
