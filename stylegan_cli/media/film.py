"""Films: frames are sent to ffmpeg one by one, so memory does not grow with their number."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.files import replacing_alone
from stylegan_cli.media.audio import Soundtrack
from stylegan_cli.media.ffmpeg import ffmpeg

# The colour space is declared: otherwise players guess it from the picture's height. Colours at half the resolution
# are means of their pixels, which is faster than ffmpeg's default, and not less faithful.
_VIDEO = (
    "-vf",
    "scale=out_color_matrix=bt709:out_range=tv:flags=area,format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709",
)
# One palette per frame: a palette for the whole film would make ffmpeg keep all frames in memory.
_PALETTE = "split[frames][same];[same]palettegen=stats_mode=single[palette];[frames][palette]paletteuse=new=1"
# x264's fastest preset, at a quality at which slower ones look the same: when drawing needs the same cores, more work
# for smaller files does not pay.
CODECS = {
    "mp4": ("-c:v", "libx264", "-crf", "19", "-preset", "ultrafast", "-movflags", "+faststart", *_VIDEO),
    "webm": ("-c:v", "libvpx-vp9", "-crf", "20", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "5", *_VIDEO),
    "gif": ("-filter_complex", _PALETTE, "-loop", "0"),
    "webp": ("-c:v", "libwebp_anim", "-quality", "90", "-loop", "0", "-pix_fmt", "yuv420p"),
}
LARGEST = 16_000  # pixels: the longest edge that all of them take
HALVED = ("mp4", "webm")  # their chroma has half the resolution, so their edges must be even
# These can hold a text; so long a text is not passed to ffmpeg, because systems limit the length of a command.
TOLD, LONGEST_TEXT = HALVED, 8000
# GIF counts time in hundredths of a second; frames shorter than two of them are shown for ten by browsers.
FASTEST = {"gif": 50}
# Error codes of a pipe whose reader has gone; the second is Windows's.
NOBODY_READS = (errno.EPIPE, errno.EINVAL)


def check_rate(format: str, fps: float) -> None:
    """Raises UsageError if a film of this format cannot have so many frames per second; only GIF has a limit."""
    if fps > FASTEST.get(format, fps):
        raise UsageError(
            f"{format} films have at most {FASTEST[format]} frames per second, but this one has {fps:g}; use a smaller "
            "--fps, or another format"
        )


@contextmanager
def filming(
    path: Path, fps: float, format: str, text: str = "", soundtrack: Soundtrack | None = None
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that encodes the next frame `[h, w, 3]` uint8, of at least one; the film gets its name only
    when it is complete. `text` can be read again with `text_of`, if the format can hold it; a `soundtrack` needs one of
    `audio.SOUNDED`. Raises StyleganError if ffmpeg fails or is missing."""
    check_rate(format, fps)
    told = ("-metadata", f"comment={text}") if text and format in TOLD and len(text) <= LONGEST_TEXT else ()
    sound = (*soundtrack.source(), *soundtrack.options(format)) if soundtrack else ()
    options = (*sound, *CODECS[format], *told)
    with replacing_alone(path) as part, tempfile.TemporaryFile() as complaints:
        # Started on another thread, which Ctrl-C does not interrupt: an encoder that is not known here would go on.
        starter, encoders = ThreadPoolExecutor(1), list[subprocess.Popen[bytes]]()

        def start(shape: tuple[int, ...]) -> None:
            encoders.append(_start(part, shape, fps, options, complaints))

        def add(frame: np.ndarray) -> None:
            if format in HALVED:
                frame = _even(frame)
            if not encoders:
                starter.submit(start, frame.shape).result()
            (encoder,) = encoders
            assert encoder.stdin is not None
            try:
                encoder.stdin.write(np.ascontiguousarray(frame).data)
            except OSError as error:
                if error.errno not in NOBODY_READS:
                    raise
                _finish(encoder, path, complaints)  # ffmpeg has stopped; its message says why

        try:
            yield add
            for encoder in encoders:
                _finish(encoder, path, complaints)
        finally:
            starter.shutdown()
            for encoder in encoders:
                encoder.kill()
                encoder.wait()


def _even(frame: np.ndarray) -> np.ndarray:
    """With the last row and column twice where their number is odd: what is there shines into its neighbours."""
    height, width, _ = frame.shape
    if not (height % 2 or width % 2):
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def text_of(path: Path) -> str:
    """The text in a film; empty if there is none. Raises StyleganError if it cannot be read as a film."""
    command = [ffmpeg(), "-loglevel", "error", "-i", f"file:{path}", "-f", "ffmetadata", "-"]
    read = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if read.returncode:
        raise StyleganError(f"{path} cannot be read as a film; use another copy of it")
    found = re.search(r"^comment=((?:[^\\\n]|\\.)*)", read.stdout, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    return re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL) if found else ""


def check_frame(width: int, height: int) -> None:
    """Raises UsageError if frames of this size, in pixels, make no film."""
    if max(width, height) > LARGEST:
        raise UsageError(
            f"films have at most {LARGEST:,} pixels per edge, but this one is {width} x {height}; use something "
            "smaller, or frames (--format png)"
        )


def _start(
    part: Path, shape: tuple[int, ...], fps: float, options: Sequence[str], complaints: IO[bytes]
) -> subprocess.Popen[bytes]:
    height, width, _ = shape
    check_frame(width, height)
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-")
    # As a file, whatever its name: ffmpeg takes what precedes a colon for a protocol.
    command = [ffmpeg(), "-y", "-loglevel", "error", *source, *options, f"file:{part}"]
    # In a session of its own, so that Ctrl-C reaches us and not the encoder. (Windows ignores this.)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints, start_new_session=True)


def _finish(encoder: subprocess.Popen[bytes], path: Path, complaints: IO[bytes]) -> None:
    assert encoder.stdin is not None
    try:
        encoder.stdin.close()
    except OSError as error:
        if error.errno not in NOBODY_READS:
            raise
    if code := encoder.wait():
        complaints.seek(0)
        lines = complaints.read().decode(errors="replace").strip().splitlines() or [f"it ended with code {code}"]
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        raise StyleganError(f"ffmpeg could not write {path}: {lines[-1]}")
