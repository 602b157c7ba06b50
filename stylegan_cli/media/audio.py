"""Music: the sound in a file, as samples to listen to and as the soundtrack of a film."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylegan_cli.errors import StyleganError
from stylegan_cli.media.ffmpeg import CONTAINERS, ffmpeg

SONGS = "wav,w64,mp3,flac,ogg,aac,aiff,ac3,eac3,caf,amr,au,ape,wv"  # kinds of files that are read, beside films
SAMPLE_RATE = 22_050  # samples per second
_BLOCK = SAMPLE_RATE  # samples that are read at once
# Sound that begins after the picture does, or has gaps, keeps its time: both readers below fill these with silence.
_TIMED = ("-af", "aresample=async=1:first_pts=0")
_CODECS = {"mp4": ("-c:a", "aac", "-b:a", "192k"), "webm": ("-c:a", "libopus", "-b:a", "160k")}
SOUNDED = tuple(_CODECS)
"""The formats of films that can have sound."""


@dataclass(frozen=True)
class Soundtrack:
    """The first `seconds` of the sound in the file `path`."""

    path: Path
    seconds: float

    def source(self) -> tuple[str, ...]:
        """ffmpeg's arguments for its second input, after the pictures."""
        return ("-t", f"{self.seconds:.6f}", *_source(self.path))

    def options(self, format: str) -> tuple[str, ...]:
        """Those for a film of this format, one of `SOUNDED`. Stereo, because not every codec takes every other layout;
        of the song's own chapters, which do not belong to the pictures, none."""
        return ("-map", "0:v", "-map", "1:a:0", "-map_chapters", "-1", *_TIMED, "-ac", "2", *_CODECS[format])


@contextmanager
def sound(path: Path, seconds: float | None = None) -> Iterator[Iterator[np.ndarray]]:
    """Yields the first `seconds` of a file's sound, or all of it, in blocks `[n]` float32 of about a second, so that
    memory does not grow with its length: mono, `SAMPLE_RATE` samples per second, of which 1 is loud. The file may be a
    film. Raises StyleganError if it has no sound or cannot be read."""
    limit = () if seconds is None else ("-t", f"{seconds:.6f}")
    form = ("-map", "0:a:0", *_TIMED, "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "-")
    command = [ffmpeg(), "-nostdin", "-loglevel", "error", *limit, *_source(path), *form]
    with tempfile.TemporaryFile() as complaints:
        decoder = subprocess.Popen(
            # In a session of its own, so that Ctrl-C reaches us and not the decoder. (Windows ignores this.)
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True
        )  # fmt: skip

        def blocks() -> Iterator[np.ndarray]:
            assert decoder.stdout is not None
            heard = 0
            while content := decoder.stdout.read(4 * _BLOCK):
                heard += len(content)
                yield np.frombuffer(content[: len(content) // 4 * 4], "<f4")
            if decoder.wait() or not heard:
                complaints.seek(0)
                raise StyleganError(_why(path, complaints.read().decode(errors="replace")))

        try:
            yield blocks()
        finally:
            decoder.kill()
            decoder.wait()
            assert decoder.stdout is not None
            decoder.stdout.close()


def _source(path: Path) -> tuple[str, ...]:
    """As a file, whatever its name; never a list, which would lead to others."""
    return ("-protocol_whitelist", "file", "-format_whitelist", f"{CONTAINERS},{SONGS}", "-i", f"file:{path}")


def _why(path: Path, complaints: str) -> str:
    """What is wrong with a file, from ffmpeg's complaints."""
    if "matches no streams" in complaints or not complaints.strip():
        return f"there is no sound in {path}; use a file with music"
    return f"{path} cannot be read as music; use another copy of it, or another format"
