"""Recipes: how a picture was made, stored inside the picture, enough to make it again bit for bit.

A recipe is JSON in a PNG text chunk (in the EXIF description of WebP and JPEG). Its latents are stored as a table of
distinct `w` rows in base 85, and every face lists its rows: people rarely differ in all layers, sheets repeat people.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stylegan_cli import __version__
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import WHOLE, Cell, Face, Heatmap, Picture, Sheet, cells_of
from stylegan_cli.pillow import BROKEN_PICTURE, CHUNK, EXIF_DESCRIPTION, in_words, open_picture
from stylegan_cli.plain import made
from stylegan_cli.tuning import Term, Tuned, Tuning

FORMAT = 1
BEGINNING = '{"format": '  # of every recipe; descriptions of photos may be JSON, too
# The types in tunings: float16 factors, 8-bit maps and their steps; a map of 1024 pixels has a million values.
ARRAY_KINDS = ("<f2", "|i1", "<f4")
# A few characters can ask for any amount of memory or work. These limit the number of values in all tunings, that in
# the latents of all faces, and the fields.
MAX_TUNED, MAX_LATENTS = 1 << 26, 1 << 27
LIMITS = {"size": 8192, "threads": 1024, "count": 100_000}
DAMAGE = (*MALFORMED, zlib.error, MemoryError)


@dataclass(frozen=True)
class Recipe:
    """A picture and everything that its pixels depend on. `size` is the edge of a face after scaling, in pixels; None
    for the native size.

    `threads` matters on CPUs: how a float32 sum is split among them affects the last bit, as does whether the network
    was `compiled`. `photo`, the photo that a person was found in (as in `Person`; on a sheet of several, everybody's in
    a list), does not affect the pixels, but what the picture may be used for. `fingerprint` is the model's (as in
    `Origin`), in hexadecimal digits; older recipes have none.
    """

    picture: Picture
    model: str
    sha256: str
    precision: str
    device: str
    size: int | None = None
    command: str = ""
    version: str = __version__
    threads: int = 0
    compiled: bool = False
    photo: dict | list | None = None
    fingerprint: str | None = None

    @property
    def origin(self) -> Origin:
        """The model."""
        return Origin(self.model, self.sha256, fingerprint=bytes.fromhex(self.fingerprint or ""))

    def check_model(self, generator: Generator, owner: str) -> None:
        """Raises `StyleganError` unless the recipe's model, latents and tunings match `generator`; messages name
        `owner`, the picture."""
        self.origin.check(generator.origin, f"{owner} was made with")
        cells = list(cells_of(self.picture))
        takes = [generator.num_ws, generator.w_dim]
        if wrong := [shape for shape in (list(cell.ws.shape) for cell in cells) if shape != takes]:
            raise StyleganError(f"{owner} has latents {wrong[0]}, the model takes {takes}; make the picture again")
        if any(len(term.shares) != generator.num_ws for cell in cells for term in cell.tuned):
            raise StyleganError(f"the tunings in {owner} do not belong to its latents; make the picture again")


def dumps(recipe: Recipe) -> str:
    """The recipe as one line of ASCII JSON."""
    table = _Table()
    picture = _picture_to_plain(recipe.picture, table)
    about = {key: value for key, value in vars(recipe).items() if key != "picture" and value is not None}
    return json.dumps({"format": FORMAT, **about, "picture": picture, "latents": table.to_plain()})


def fits(picture: Picture) -> bool:
    """Whether a recipe of this picture is small enough to be read again."""
    return sum(cell.ws.numel() for cell in cells_of(picture)) <= MAX_LATENTS


def loads(text: str, owner: str) -> Recipe:
    """The recipe in `text`; messages name `owner`. Raises `StyleganError` if it is damaged or of another format."""
    try:
        plain = json.loads(text)
        if plain["format"] != FORMAT:
            raise StyleganError(
                f"{owner} has a recipe of format {plain['format']}, written by version {plain.get('version')}; "
                f"this version ({__version__}) reads format {FORMAT}: install a version that knows it"
            )
        del plain["format"]
        stored = _stored_from_plain(plain.pop("latents"))
        if (values := _layers(plain["picture"]) * stored.rows.shape[1]) > MAX_LATENTS:
            raise ValueError(f"its faces have {values} values")
        bytes.fromhex(plain.get("fingerprint") or "")  # fails if it is damaged
        return made(Recipe, plain, LIMITS, picture=_picture_from_plain(plain.pop("picture"), stored))
    except DAMAGE as error:
        raise StyleganError(f"{owner} has a damaged recipe ({error}); make the picture again") from None


def read(path: Path) -> Recipe:
    """The recipe inside a picture file. Raises `StyleganError` if there is none, or if it is damaged."""
    text = _text(path)
    if not text:
        raise StyleganError(
            f"{path} is a picture without a recipe, so its latents are unknown: a photo, a film, one with a pasted "
            "face, or one saved again by another program; use the picture as this tool made it, or latents "
            "(--save-latents)"
        )
    return loads(text, str(path))


def has_recipe(path: Path) -> bool:
    """Whether a file is a picture with a recipe inside."""
    try:
        about = path.stat()
    except OSError:
        return False
    return _has_recipe(path.absolute(), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=256)
def _has_recipe(path: Path, changed: int, size: int) -> bool:  # noqa: ARG001 (another file, if these differ)
    """Remembered, because all of a large PNG's pixels are decoded for it, and the page of `explore` asks each time."""
    try:
        return bool(_text(path))
    except StyleganError:
        return False


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file, open_picture(file) as image:
            # Text chunks may come after the pixels; reading only the header would miss them.
            if text := getattr(image, "text", {}).get(CHUNK) if image.format == "PNG" else None:
                return str(text)
            # Cameras write a description of their own.
            description = str(image.getexif().get(EXIF_DESCRIPTION, ""))
            return description if description.startswith(BEGINNING) else ""
    except BROKEN_PICTURE as error:
        raise StyleganError(f"{path} cannot be read as a picture ({in_words(error)}); use another copy of it") from None


class _Table:
    """The distinct `w` rows and tunings of a recipe, numbered in the order of first use."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self.tunings: dict[Tuning, int] = {}
        self.w_dim = 0

    def number(self, row: np.ndarray) -> int:
        self.w_dim = len(row)
        return self.numbers.setdefault(row.astype("<f4").tobytes(), len(self.numbers))

    def to_plain(self) -> dict[str, Any]:
        plain = {"w_dim": self.w_dim, "rows": base64.b85encode(b"".join(self.numbers)).decode()}
        return plain | {"tunings": [_tuning_to_plain(tuning) for tuning in self.tunings]} if self.tunings else plain

    def tuned(self, tuned: Tuned) -> list[Any]:
        return [[self.tunings.setdefault(term.tuning, len(self.tunings)), term.shares] for term in tuned]


@dataclass(frozen=True)
class _Stored:
    """A `_Table` read back: `rows` `[n, w_dim]`, and the tunings."""

    rows: np.ndarray
    tunings: list[Tuning]

    def tuned(self, plain: list[Any]) -> Tuned:
        terms = tuple(Term(self.tunings[number], tuple(map(float, shares))) for number, shares in plain)
        if not all(math.isfinite(share) for term in terms for share in term.shares):
            raise ValueError("its tunings' shares are not finite")
        return terms


def _tuning_to_plain(tuning: Tuning) -> dict[str, Any]:
    return {
        name: [array.dtype.str, array.shape, base64.b85encode(zlib.compress(array.tobytes())).decode()]
        for name, array in tuning.to_arrays().items()
    }


def _tuning_from_plain(plain: dict[str, Any]) -> Tuning:
    arrays = {}
    for name, (kind, shape, text) in plain.items():
        if kind not in ARRAY_KINDS:
            raise ValueError(f"its tuning has values of type {kind}")
        unpacker, size = zlib.decompressobj(), math.prod(shape) * np.dtype(kind).itemsize
        content = unpacker.decompress(base64.b85decode(text), size + 1)  # one more byte would be one too many
        if not unpacker.eof:
            raise ValueError(f"its tuning's {name} is not {size} bytes long")
        arrays[name] = np.frombuffer(content, kind).reshape(shape)
    return Tuning.from_arrays(arrays)


def _stored_from_plain(plain: dict[str, Any]) -> _Stored:
    tunings = plain.get("tunings", [])
    shapes = [shape for one in tunings for _, shape, _ in one.values()]
    # For zlib a limit of 0 bytes means no limit.
    if any(type(n) is not int or n < 1 for shape in shapes for n in shape) or sum(map(math.prod, shapes)) > MAX_TUNED:
        raise ValueError("its tunings have impossible shapes")
    return _Stored(_rows_from_plain(plain), [_tuning_from_plain(one) for one in tunings])


def _rows_from_plain(plain: dict[str, Any]) -> np.ndarray:
    values = np.frombuffer(base64.b85decode(plain["rows"]), "<f4").reshape(-1, plain["w_dim"])
    if not np.isfinite(values).all():
        raise ValueError("its latents are not finite")
    return values


def _picture_to_plain(picture: Picture, table: _Table) -> dict[str, Any]:
    if isinstance(picture, Sheet):
        rows = [[cell and _picture_to_plain(cell, table) for cell in row] for row in picture.rows]
        return {"rows": rows, **_unusual(Sheet, {"names": picture.names, "centred": picture.centred})}
    plain = {key: value for key, value in vars(picture).items() if key not in ("ws", "noise", "tuned", "part")}
    if isinstance(picture, Face):
        plain |= _unusual(Face, {"part": picture.part})
    if picture.tuned:
        plain["tuned"] = table.tuned(picture.tuned)
    layers = [table.number(row) for row in picture.ws.numpy()]
    return plain | {"ws": layers, "noise": asdict(picture.noise)}


def _unusual(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values that are not a dataclass's defaults: so recipes that do not use newer fields are written as before."""
    return {name: value for name, value in values.items() if value != getattr(kind, name)}


def _layers(plain: dict[str, Any]) -> int:
    """How many rows of `w` all faces of a picture have together."""
    cells = [cell for row in plain["rows"] for cell in row if cell] if "rows" in plain else [plain]
    return sum(len(cell["ws"]) for cell in cells)


def _picture_from_plain(plain: dict[str, Any], stored: _Stored) -> Picture:
    if "rows" not in plain:
        return _cell_from_plain(plain, stored)
    cells = ((None if cell is None else _cell_from_plain(cell, stored) for cell in row) for row in plain["rows"])
    rows, names = tuple(map(tuple, cells)), tuple(plain.get("names", ()))
    if not any(rows):
        raise ValueError("its sheet is empty")
    if not all(isinstance(name, str) for name in names) or len(names) not in (0, len(rows)):
        raise ValueError("its row names are invalid")
    return made(Sheet, {"centred": plain.get("centred", False)}, LIMITS, rows=rows, names=names)


def _cell_from_plain(plain: dict[str, Any], stored: _Stored) -> Cell:
    plain = dict(plain)
    rows = np.array(plain.pop("ws"), dtype=np.int64)
    if rows.ndim != 1:
        raise ValueError(f"its faces' lists of rows have {rows.ndim} dimensions")
    ws = torch.from_numpy(stored.rows[rows])
    tuned = stored.tuned(plain.pop("tuned", []))
    noise = Noise.from_plain(plain.pop("noise"))
    if "count" in plain:
        if plain["count"] < 1:
            raise ValueError(f"its count is {plain['count']}")
        return made(Heatmap, plain, LIMITS, ws=ws, noise=noise, tuned=tuned)
    x, y = map(float, plain.pop("translate", (0, 0)))
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("its translation is not finite")
    left, top, width = map(float, plain.pop("part", WHOLE))
    if not (0 <= left <= 1 - width and 0 <= top <= 1 - width and width > 0):
        raise ValueError("the part of it to show lies outside it")
    return made(Face, plain, LIMITS, ws=ws, noise=noise, tuned=tuned, translate=(x, y), part=(left, top, width))
