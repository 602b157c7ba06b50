"""The two folders of this user: a cache, which can be fetched or computed again, and data, which cannot."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs

from stylegan_cli.errors import StyleganError


def cache_folder() -> Path:
    """Where fetched and converted files are kept; the environment variable STYLEGAN_CACHE overrides it."""
    return _named_or_usual("STYLEGAN_CACHE", platformdirs.user_cache_dir)


def data_folder() -> Path:
    """Where the models that the user added and the directions that were found are kept; the environment variable
    STYLEGAN_DATA overrides it."""
    return _named_or_usual("STYLEGAN_DATA", platformdirs.user_data_dir)


def _named_or_usual(variable: str, usual: Callable[..., str]) -> Path:
    """The folder that an environment variable names, or else the usual one, which is in the user's home."""
    if named := os.environ.get(variable):
        return Path(named).expanduser().absolute()  # not every shell or service replaces a ~
    with suppress(RuntimeError):  # without a home, platformdirs raises it or, in older versions, returns "~/..."
        if (folder := Path(usual("stylegan", appauthor=False))).is_absolute():
            return folder
    raise StyleganError(f"this user has no home folder; set {variable} to a folder that can be written to")
