"""What tests of several commands need."""

import pytest

from stylegan_cli.cli import price
from stylegan_cli.scorers import identity


@pytest.fixture
def no_scorers(monkeypatch):
    """As on a machine without the extra, and without the file that tells people apart."""
    monkeypatch.setattr(price, "installed", lambda: False)
    monkeypatch.setattr(identity, "installed", lambda: False)
