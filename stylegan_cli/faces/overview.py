"""A photo with its faces framed and numbered."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from stylegan_cli.faces.detection import Detection

EDGE = 1600  # pixels of the longer edge, at most
FRAME, PAPER, INK = "#00e676", "#00e676", "black"


def overview(photo: Image.Image, found: Sequence[Detection]) -> Image.Image:
    """The photo, scaled down if it is very large; faces are numbered from 1, in the order of `found`."""
    scale = min(1.0, EDGE / max(photo.size))
    picture = photo.copy()
    picture.thumbnail((EDGE, EDGE), Image.Resampling.BOX, reducing_gap=2.0)
    draw = ImageDraw.Draw(picture)
    thickness = max(max(picture.size) // 400, 1)
    for number, face in enumerate(found, start=1):
        left, top, right, bottom = (face.box * scale).tolist()
        draw.rectangle((left, top, right, bottom), outline=FRAME, width=thickness)
        font = ImageFont.load_default(min(max((right - left) / 4, 10), 48))
        left, top = max(left, 0), max(top, 0)
        label = draw.textbbox((left, top), str(number), font, anchor="lt")
        draw.rectangle((left, top, label[2] + 2 * thickness, label[3] + 2 * thickness), fill=PAPER)
        draw.text((left + thickness, top + thickness), str(number), INK, font, anchor="lt")
    return picture
