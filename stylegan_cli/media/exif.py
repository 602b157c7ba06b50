"""What a camera wrote about a photo, for the pictures that are made from it.

Entries are copied byte by byte (TIFF 6.0, section 2; CIPA DC-008): Pillow would change their types, and every letter
that is not English.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from stylegan_cli import __version__

ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
NAME = b"stylegan "  # our software's, before its version
# Bytes of one value, by its kind.
SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), start=1))
ASCII, SHORT, LONG = 2, 3, 4
SOFTWARE, COLOUR_SPACE, SRGB = 0x0131, 0xA001, 1
SETTINGS, PLACE = 0x8769, 0x8825  # where two more directories are: how and where the photo was taken
# Of the first directory: maker, model, resolution, date, artist, computer, copyright. Everything else there is about
# the photo's own pixels (orientation, thumbnail, strips), or a text for any purpose.
KEPT = {0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0132, 0x013B, 0x013C, 0x8298, SETTINGS, PLACE}
# Of the settings: the maker's notes, which can hold a preview; the user's comment; the photo's size; where in it the
# subject is; and another directory, for printers.
DROPPED = {0x927C, 0x9286, 0xA002, 0xA003, 0x9214, 0xA214, 0xA005}
MOST = 60_000  # bytes: a JPEG file holds hardly more


class _Entry(NamedTuple):
    kind: int
    number: int
    value: bytes | memoryview


def kept(tiff: bytes, is_srgb: bool = True) -> bytes:
    """The part of EXIF data that also holds for an upright picture made from the photo: camera, settings, date, place,
    artist, copyright, resolution. The software becomes this one, the colour space sRGB if the new picture `is_srgb`.
    Data are in TIFF's format; the result is empty if there is nothing to keep, or if it is damaged or longer than
    MOST."""
    try:
        return _kept(tiff, order, is_srgb) if (order := ORDERS.get(tiff[:4])) else b""
    except (struct.error, _TooLongError):
        return b""


def signed() -> bytes:
    """EXIF data that say only that this software made a picture."""
    return b"II*\0" + struct.pack("<L", 8) + _packed({SOFTWARE: _own_name()}, "<", 8)


def is_signed(tiff: bytes) -> bool:
    """Whether EXIF data, as of `kept` or `signed`, say that this software made the picture."""
    try:
        order = ORDERS[tiff[:4]]
        software = _directory(tiff, order, *struct.unpack_from(f"{order}L", tiff, 4))[SOFTWARE]
    except (struct.error, KeyError):
        return False
    return bytes(software.value).startswith(NAME)


class _TooLongError(Exception):
    pass


def _kept(tiff: bytes, order: str, is_srgb: bool) -> bytes:
    first = _directory(tiff, order, *struct.unpack_from(f"{order}L", tiff, 4))
    first = {tag: entry for tag, entry in first.items() if tag in KEPT}
    if not first:
        return b""
    first[SOFTWARE] = _own_name()
    end = 8 + len(_packed(first, order, 8))
    others = []
    for tag in sorted({SETTINGS, PLACE} & first.keys()):
        entries = _directory(tiff, order, *struct.unpack(f"{order}L", first[tag].value))
        if tag == SETTINGS:
            entries = {tag: entry for tag, entry in entries.items() if tag not in DROPPED}
            if is_srgb:
                entries[COLOUR_SPACE] = _Entry(SHORT, 1, struct.pack(f"{order}H", SRGB))
        others.append(_packed(entries, order, end))
        first[tag] = _Entry(LONG, 1, struct.pack(f"{order}L", end))
        end += len(others[-1])
    return b"".join([tiff[:4], struct.pack(f"{order}L", 8), _packed(first, order, 8), *others])


def _own_name() -> _Entry:
    name = NAME + f"{__version__}\0".encode()
    return _Entry(ASCII, len(name), name)


def _directory(tiff: bytes, order: str, start: int) -> dict[int, _Entry]:
    """The entries of the directory at `start`, by their tags, without damaged ones."""
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    entries = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, at = struct.unpack_from(f"{order}HHLL", tiff, place)
        size = SIZES.get(kind, 0) * number
        value = memoryview(tiff)[place + 8 :][:size] if size <= 4 else memoryview(tiff)[at : at + size]
        if 0 < len(value) == size:
            entries[tag] = _Entry(kind, number, value)
    return entries


def _packed(entries: dict[int, _Entry], order: str, start: int) -> bytes:
    """A directory that is put at `start`, followed by those values that are too long to be in it."""
    table, values = [struct.pack(f"{order}H", len(entries))], []
    end = start + 2 + 12 * len(entries) + 4
    for tag, (kind, number, value) in sorted(entries.items()):
        table.append(struct.pack(f"{order}HHL", tag, kind, number))
        if len(value) <= 4:
            table.append(bytes(value).ljust(4, b"\0"))
        else:
            table.append(struct.pack(f"{order}L", end))
            padding = len(value) % 2  # values begin at even places
            values += [value, bytes(padding)]
            end += len(value) + padding
    if end > MOST:
        raise _TooLongError
    return b"".join([*table, bytes(4), *values])
