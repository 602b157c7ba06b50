"""Pictures to train on."""

import pytest
from small_runs import write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 24 pictures of 16 pixels."""
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="session")
def classed(tmp_path_factory):
    """The same in 3 classes."""
    return write_pictures(tmp_path_factory.mktemp("data") / "classed", classes=3)
