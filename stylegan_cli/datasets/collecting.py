"""From a source of pictures to a data set: decoded, framed and encoded on several threads, written in order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image, ImageOps

from stylegan_cli.datasets.layout import LABELS, PictureWriter
from stylegan_cli.datasets.sources import Source
from stylegan_cli.errors import StyleganError
from stylegan_cli.media.decoding import UnusableError, decode
from stylegan_cli.media.encode import encode
from stylegan_cli.processors import in_order


@dataclass(frozen=True)
class Settings:
    """How pictures are processed: `frame` gives them their size, `limit` is how many are taken (the first ones)."""

    frame: Callable[[Image.Image], Image.Image]
    format: str = "png"
    mirror: bool = False
    limit: int | None = None


def collect(
    source: Source,
    classes: dict[str, int] | None,
    settings: Settings,
    writer: PictureWriter,
    on_skip: Callable[[str, str], None],
    on_picture: Callable[[int], None],
) -> None:
    """Writes the source's pictures, mirrored ones right after their originals.

    `on_skip` gets the name of each picture that cannot be used, and why; `on_picture` the number of pictures so far.
    Raises StyleganError if no picture can be used, or one has no label although others have.
    """
    if classes is not None and settings.limit is None:
        _check_labels(source, classes, settings.frame)
    taken, first_reason = 0, ""
    encoded = in_order(lambda name: _prepared(source, name, settings), source.names)
    for looked_at, (name, files) in enumerate(zip(source.names, encoded, strict=False), start=1):
        if isinstance(files, UnusableError):
            first_reason = first_reason or f"{name} {files}"
            on_skip(name, str(files))
        else:
            for file in files:
                writer.add(file, None if classes is None else _class(source, classes, name))
            taken += 1
        on_picture(taken if settings.limit else looked_at)
        if taken == settings.limit:
            break
    if not taken:
        raise _none_usable(source, first_reason)


def first_picture(source: Source) -> Image.Image:
    """The first picture that can be used. Raises StyleganError if there is none."""
    reasons = []
    for name in source.names:
        try:
            return decode(source.read(name))
        except UnusableError as reason:
            reasons.append(f"{name} {reason}")
    raise _none_usable(source, reasons[0])


def _check_labels(source: Source, classes: dict[str, int], frame: Callable[[Image.Image], Image.Image]) -> None:
    """Raises StyleganError, before anything is written, if a picture that can be used has no label."""
    for name in source.names:
        if name not in classes:
            with suppress(UnusableError):
                _framed(source, name, frame)
                _class(source, classes, name)


def _class(source: Source, classes: dict[str, int], name: str) -> int:
    if name not in classes:
        raise StyleganError(
            f"{LABELS} in {source.path} has no label for {name}; fix it, or use stylegan dataset --labels none"
        )
    return classes[name]


def _none_usable(source: Source, reason: str) -> StyleganError:
    return StyleganError(f"none of the {len(source.names)} pictures in {source.path} can be used: {reason}")


def _framed(source: Source, name: str, frame: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """A picture, cut out. Raises UnusableError if it cannot be used, StyleganError if none like it can."""
    try:
        return frame(decode(source.read(name)))
    except UnusableError:
        raise
    except StyleganError as error:
        raise StyleganError(f"{name} {error}") from None


def _prepared(source: Source, name: str, settings: Settings) -> list[bytes] | UnusableError:
    try:
        image = _framed(source, name, settings.frame)
    except UnusableError as reason:
        return reason
    images = [image, ImageOps.mirror(image)] if settings.mirror else [image]
    return [encode(one, settings.format) for one in images]
