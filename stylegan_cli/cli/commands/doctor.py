"""`stylegan doctor`: what this machine offers, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stylegan_cli.cli.console import print_data
from stylegan_cli.cli.options import command
from stylegan_cli.errors import StyleganError

if TYPE_CHECKING:
    from stylegan_cli.store import Model

MOVE_CACHE, MOVE_DATA = (f"move the {what} with STYLEGAN_{what.upper()}" for what in ("cache", "data"))


@command
def doctor() -> None:
    """Check the environment: device, precision, threads, folders and their space, models, scorers, ffmpeg."""
    import torch

    from stylegan_cli import __version__, hardware, store
    from stylegan_cli.files import nearest_existing
    from stylegan_cli.folders import cache_folder, data_folder
    from stylegan_cli.scorers.runtime import installed

    device = hardware.choose_device("auto")
    problems: list[str] = []
    if gpu := hardware.unusable_gpu():
        problems.append(f"this torch has no code for the {gpu}; {hardware.OTHER_BUILD}")
    cache, own = cache_folder(), data_folder()
    lines = {
        "stylegan": f"{__version__}, Python {platform.python_version()}, torch {torch.__version__}, {sys.platform}",
        "device": f"{device.type}{_cuda_name()}",
        "precision": _precision(hardware.choose_precision("auto", device), device.type, hardware.cpu_features()),
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} processors",
        "cache": f"{cache} ({_writable(nearest_existing(cache), problems, MOVE_CACHE)})",
        "data": f"{own} ({_writable(nearest_existing(own), problems, MOVE_DATA)})",
        "models": ", ".join(f"{model.name} ({_presence(model, problems)})" for model in store.models().values()),
        "scorers": "here" if installed() else 'not installed (pip install "stylegan-cli[scorers]")',
        "ffmpeg": _ffmpeg(problems),
        "here": f"{Path.cwd()} ({_writable(Path.cwd(), problems, 'work in another one')})",
    }
    for key, value in lines.items():
        print_data(f"{key:<10}{value}")
    for problem in problems:
        print_data(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)
    print_data("Everything is in place.")


def _cuda_name() -> str:
    import torch

    return f" ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else ""


def _precision(chosen: str, device: str, features: list[str]) -> str:
    if device != "cpu":
        return f"auto means {chosen} here"
    has = f"this CPU has {' and '.join(features)}" if features else "this CPU has no bfloat16 arithmetic"
    slow = ", which on its own makes bf16 slower" if features and chosen == "fp32" else ""
    return f"auto means {chosen} here ({has}{slow})"


def _presence(model: Model, problems: list[str]) -> str:
    try:
        return "here" if model.is_here else "not fetched"
    except StyleganError as error:
        problems.append(str(error))
        return "damaged"


def _writable(folder: Path, problems: list[str], instead: str) -> str:
    try:
        tempfile.TemporaryFile(dir=folder).close()  # permissions alone do not tell everywhere
    except OSError:
        problems.append(f"{folder} cannot be written to; change its permissions, or {instead}")
        return "not writable"
    return f"writable, {shutil.disk_usage(folder).free / 1e9:,.1f} GB free"


def _ffmpeg(problems: list[str]) -> str:
    import imageio_ffmpeg

    try:
        return f"{imageio_ffmpeg.get_ffmpeg_version()} ({imageio_ffmpeg.get_ffmpeg_exe()})"
    except (RuntimeError, OSError) as error:
        problems.append(f"there is no ffmpeg for films ({error}); install it, or set IMAGEIO_FFMPEG_EXE")
        return "missing"
