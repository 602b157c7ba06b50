"""Cropping faces from photos as for FFHQ (Karras et al. 2018, arXiv:1812.04948, appendix A), and storing where.

The crop is a square around eyes and mouth, rotated so that the eyes are level (see `detection`); where it extends
beyond the photo, the photo is mirrored and fades into blur.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.faces import geometry
from stylegan_cli.faces.detection import Detection
from stylegan_cli.media import png
from stylegan_cli.pillow import BROKEN_PICTURE

PLACE_CHUNK = "stylegan-align"
EYES_APART = 16  # pixels at least: a smaller face cannot be reproduced
SMALL = 160  # pixels across a crop: below this, many details have to be invented
FACE_MARGIN = 0.15  # around the face itself, in fractions of the crop
ASIDE = 0.4  # the nose is almost in front of an eye
ELSEWHERE = 0.1  # fractions of the crop: corners that are farther apart belong to another face
BLUR = 0.1  # fractions of the crop: how far inside the photo the blur of the mirrored border begins
LOOK, ALIKE = 16, 0.95  # pixels per edge of what is compared, and the correlation of a photo that was saved again
FARTHEST = 1e9  # pixels: numbers beyond it are damage, and NumPy would warn of the largest


@dataclass(frozen=True)
class Alignment:
    """Where a face is in its photo: `quad` `[4, 2]`, the crop's corners in the photo's pixels (top left, bottom left,
    bottom right, top right; (0, 0) is the photo's corner), the photo's `size` (width, height), the number of the `face`
    (1 is the largest), and the SHA-256 of the `photo`'s file."""

    quad: tuple[tuple[float, float], ...]
    size: tuple[int, int]
    face: int = 1
    photo: str = ""

    @property
    def corners(self) -> np.ndarray:
        """`quad` as an array."""
        return np.array(self.quad)

    @property
    def edge(self) -> float:
        """The square's edge in the photo's pixels."""
        return geometry.edge(self.corners)

    def beyond(self, margin: float = 0.0) -> np.ndarray:
        """How far the square, less a margin in fractions of its edge, extends beyond the photo on the left, at the top,
        on the right, at the bottom: pixels `[4]`."""
        corners = geometry.inside(self.corners, geometry.WHOLE * (1 - 2 * margin) + margin)
        return np.concatenate([-corners.min(axis=0), corners.max(axis=0) - self.size]).clip(0)

    def is_near(self, other: Alignment) -> bool:
        """Whether both are the same place, to within a tenth of the edge, on photos of the same size."""
        apart = np.abs(self.corners - other.corners).max()
        return self.size == other.size and bool(apart < self.edge * ELSEWHERE)

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Alignment:
        """The inverse of `to_plain`; raises one of MALFORMED if `plain` is not an alignment."""
        quad = np.array(plain["quad"], float)
        width, height, face = map(int, (*plain["size"], plain["face"]))
        sizes = width, height, face
        if quad.shape != (4, 2) or not (np.abs(quad) < FARTHEST).all() or min(sizes) < 1 or max(sizes) > FARTHEST:
            raise ValueError("these are not four corners")
        found = Alignment(_tuples(quad), (width, height), face, str(plain["photo"]))
        square = geometry.around(quad.mean(axis=0), (quad[3] - quad[0]) / 2)
        is_square = 1 <= found.edge <= 4 * max(found.size) and np.abs(quad - square).max() < found.edge / 1000
        if not (is_square and (quad.max(axis=0) > 0).all() and (quad.min(axis=0) < found.size).all()):
            raise ValueError("this is not a square in the photo")
        return found


def alignment(detection: Detection, size: tuple[int, int], face: int = 1, photo: str = "") -> Alignment:
    """The alignment of a face in a photo of this size (width, height); `face` and `photo` as in `Alignment`."""
    return Alignment(_tuples(detection.square), size, face, photo)


def same_place(found: Sequence[Detection], known: Alignment, photo: str) -> Alignment | None:
    """The alignment of the face in a photo that is near a `known` one, or None; `photo` as in `Alignment`."""
    places = (alignment(face, known.size, number, photo) for number, face in enumerate(found, start=1))
    return next(filter(known.is_near, places), None)


def is_aligned(found: Sequence[Detection], size: tuple[int, int]) -> bool:
    """Whether one of the faces in a picture of this size fills it as FFHQ's faces do theirs."""
    return same_place(found, Alignment(_tuples(geometry.WHOLE * size), size), "") is not None


def look(face: Image.Image) -> str:
    """What a face looks like, as text: LOOK x LOOK shades of grey."""
    shades = face.convert("L").resize((LOOK, LOOK), Image.Resampling.BOX)
    return base64.b64encode(shades.tobytes()).decode()


def is_alike(known: str, face: Image.Image, least: float = ALIKE) -> bool:
    """Whether a face is the one with a `known` look: `least` is the correlation. Raises one of MALFORMED if that is no
    look."""
    one, other = (np.frombuffer(base64.b64decode(text), np.uint8).astype(float) for text in (known, look(face)))
    if not (one.std() and other.std()):
        return False  # one colour is like nothing
    return bool(np.corrcoef(one, other)[0, 1] > least)


def choose(
    found: Sequence[Detection], face: int | None, owner: str, numbered: str = "1 is the largest", instead: str = ""
) -> int:
    """`face`, or 1, the largest, after checking that this face exists and is large enough; raises StyleganError if not.
    In messages, `owner` names the photo, `numbered` explains the faces' numbers, and `instead` says what else can be
    done if there is no such face."""
    if not found:
        raise StyleganError(
            f"no face was found in {owner}; a face must be uncovered and not seen from the side: use another "
            f"photo, or crop this one to the face{instead}"
        )
    number = face or 1
    if number > len(found):
        raise UsageError(f"there is no {owner}#{number}: {owner} shows {_faces(len(found))}; {numbered}")
    if is_tiny(found[number - 1]):
        apart = math.floor(eyes_apart(found[number - 1]) * 10) / 10  # rounded down, so never shown as large enough
        raise StyleganError(
            f"the face in {owner} is too small: its eyes are {apart:g} pixels apart, but at least {EYES_APART} are "
            f"needed; use a larger picture{instead}"
        )
    return number


def eyes_apart(detection: Detection) -> float:
    """The distance of the eyes in pixels."""
    left, right = detection.points[:2]
    return float(np.hypot(*(right - left)))


def is_tiny(detection: Detection) -> bool:
    """Whether the face is too small to be reproduced."""
    return eyes_apart(detection) < EYES_APART


def remarks(detection: Detection, alignment: Alignment) -> list[str]:
    """What the user should know about a face, as predicates: "is cut off"."""
    said = []
    if alignment.beyond(FACE_MARGIN).any():
        said.append("is cut off by the photo's edge: the missing part is filled with a mirror image")
    if alignment.edge < SMALL:
        said.append(f"is small: eyes {eyes_apart(detection):.0f} pixels apart, in a crop of {alignment.edge:.0f}")
    if aside(detection.points) > ASIDE:
        said.append("is turned far to the side, which models of frontal faces draw poorly")
    return said


def aside(points: np.ndarray) -> float:
    """How far the nose `points[2]` is from the vertical middle line of the face, in distances between the eyes."""
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    across = right_eye - left_eye
    middle = (left_eye + right_eye + left_mouth + right_mouth) / 4
    return float(abs((nose - middle) @ across) / (across @ across))


def crop(image: Image.Image, alignment: Alignment, size: int = 1024) -> Image.Image:
    """The aligned face, `size` pixels wide."""
    part, start, shrink = geometry.nearby(image, alignment.corners, size)
    part, moved = _padded(part, alignment.beyond() / shrink, alignment.edge / shrink)
    return geometry.cut(part, (alignment.corners - start) / shrink + moved, size)


def to_png(face: Image.Image, alignment: Alignment, file: str) -> bytes:
    """The PNG file of an aligned face, with its alignment for `read`, and the name of the photo's `file`."""
    return png.encode(np.asarray(face), {PLACE_CHUNK: json.dumps(alignment.to_plain() | {"file": file})})


def read(path: Path) -> Alignment | None:
    """The alignment stored in an aligned picture, or None. Raises StyleganError if it is damaged."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get(PLACE_CHUNK)
    except BROKEN_PICTURE:
        return None  # the code that reads the picture itself reports what is wrong
    if text is None:
        return None
    try:
        return Alignment.from_plain(json.loads(text))
    except MALFORMED as error:
        raise StyleganError(f"{path} contains a damaged alignment ({error}); align the photo again") from None


def _faces(count: int) -> str:
    return f"{count} face" if count == 1 else f"{count} faces"


def _tuples(corners: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in corners)


def _padded(photo: Image.Image, beyond: np.ndarray, edge: float) -> tuple[Image.Image, np.ndarray]:
    """A picture with borders, and by how much they shift it. `beyond` is how far a face of this `edge` extends beyond
    the picture (left, top, right, bottom). The borders are a mirror image, which outwards fades into blur, and then
    into one colour, as for FFHQ."""
    if not beyond.any():
        return photo, np.zeros(2)
    left, top, right, bottom = sides = np.ceil(beyond).astype(int).tolist()
    pixels = np.pad(np.asarray(photo, np.float32), ((top, bottom), (left, right), (0, 0)), "reflect")
    blurred = Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.GaussianBlur(edge * 0.02))
    # FFHQ's blur begins this far inside the picture even for a border of one pixel; ours is in proportion to it.
    blur = 1 + _depth(photo.size, sides, [min(side, edge * BLUR) for side in sides])
    pixels += (np.asarray(blurred) - pixels) * np.clip(blur, 0, 1)
    fade = _depth(photo.size, sides, [max(side, edge * 0.3) for side in sides])
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(fade, 0, 1)
    return Image.fromarray(pixels.round().astype(np.uint8)), np.array([left, top])


def _depth(size: tuple[int, int], sides: Sequence[int], unit: Sequence[float]) -> np.ndarray:
    """How deep each pixel is in a picture's borders (left, top, right, bottom), `[h, w, 1]`, in the `unit` of its side;
    negative inside the picture."""
    depths = []
    for axis, length in enumerate(size):
        before, after = sides[axis], sides[axis + 2]
        place = np.arange(-before, length + after, dtype=np.float32) + 0.5
        outside = [(-place, before, unit[axis]), (place - length, after, unit[axis + 2])]
        depth = [distance / thickness for distance, side, thickness in outside if side]
        depths.append(np.maximum.reduce(depth) if depth else np.full(len(place), -np.inf, np.float32))
    return np.maximum(depths[0][None, :, None], depths[1][:, None, None])
