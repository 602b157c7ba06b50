"""The two folders of this user: a cache, which can be fetched or computed again, and data, which cannot."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where fetched and converted files are kept; the environment variable STYLEGAN_CACHE overrides it."""
    named = os.environ.get("STYLEGAN_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("stylegan", appauthor=False))


def data_folder() -> Path:
    """Where the models that the user added and the directions that were found are kept; the environment variable
    STYLEGAN_DATA overrides it."""
    named = os.environ.get("STYLEGAN_DATA")
    return Path(named) if named else Path(platformdirs.user_data_dir("stylegan", appauthor=False))
