"""Films as they come from cameras: upright frames, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from PIL import Image

from stylegan_cli.errors import MALFORMED, StyleganError, first_line
from stylegan_cli.media.ffmpeg import CONTAINERS, ffmpeg

RATES = (1.0, 240.0)  # frames per second
HD = 720  # rows from which on films that do not say how their colours are stored mean BT.709
UPRIGHT = "scale=round(iw*sar):ih,setsar=1"  # some films' pixels are no squares
# High dynamic range: films that say that they have it are brought to the range of pictures.
WIDE = ("smpte2084", "arib-std-b67")
NARROWED = (
    "zscale=t=linear:npl=203,format=gbrpf32le,tonemap=mobius:param=0.7:desat=0,zscale=p=bt709:t=bt709:m=bt709:r=full"
)

logging.getLogger("imageio_ffmpeg").addHandler(logging.NullHandler())  # it warns of films that lie on their side


@dataclass(frozen=True)
class Footage:
    """A film's file: its upright `size` (width, height), `fps`, frames per second, its `length` in frames, about, and
    whether it has sound."""

    path: Path
    size: tuple[int, int]
    fps: float
    length: int
    has_sound: bool
    filters: str

    def frames(self) -> Iterator[Image.Image]:
        """The frames, RGB, evenly spaced in time. Raises StyleganError if the film is damaged."""
        with closing(_read(self.path, self.filters, "-r", f"{self.fps:g}")) as read:
            try:
                next(read)
                for frame in read:
                    yield Image.frombytes("RGB", self.size, frame)
            except (OSError, RuntimeError, *MALFORMED) as error:
                raise _unread(self.path, error) from None


def open_footage(path: Path) -> Footage:
    """A film of which at least the first frame can be read. Raises StyleganError."""
    try:
        with closing(_read(path, UPRIGHT)) as read:
            about = next(read)
            is_empty = next(read, None) is None
        _, seconds = imageio_ffmpeg.count_frames_and_secs(f"file:{path}")  # of its pictures: sound may be longer
    except (OSError, RuntimeError, AttributeError, *MALFORMED) as error:
        raise _unread(path, error) from None
    if is_empty:
        raise StyleganError(f"{path} has no frames; use another film")
    fps = about["fps"]
    if not RATES[0] <= fps <= RATES[1]:
        raise StyleganError(f"{path} has {fps:g} frames per second, but films have {RATES[0]:g} to {RATES[1]:g}")
    filters = ",".join([UPRIGHT, *_conversion(about)])
    return Footage(path, about["size"], fps, max(round(seconds * fps), 1), "audio_codec" in about, filters)


def _read(path: Path, filters: str, *output: str) -> Generator[Any]:
    """What is known about a film, and then its frames' bytes. As a file, whatever its name and what it refers to."""
    ffmpeg()  # the error, if there is none
    frames: Generator[Any] = imageio_ffmpeg.read_frames(
        f"file:{path}",
        input_params=["-protocol_whitelist", "file,pipe", "-format_whitelist", CONTAINERS],
        output_params=["-vf", filters, *output, "-an"],
    )
    return frames


def _conversion(about: dict[str, Any]) -> tuple[str, ...]:
    stored = about["pix_fmt"]
    if any(wide in stored for wide in WIDE):
        return (NARROWED,)
    is_said = "bt709" in stored or "601" in stored or "smpte170m" in stored or "bt470" in stored
    if is_said or about["size"][1] < HD:
        return ()
    return ("scale=in_color_matrix=bt709",)


def _unread(path: Path, error: Exception) -> StyleganError:
    told = [line for line in str(error).splitlines() if str(path) in line] or [first_line(error)]
    return StyleganError(f"{path} cannot be read as a film ({told[-1].strip()}); use another copy of it")
