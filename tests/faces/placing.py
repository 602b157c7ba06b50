"""Faces in known places of photos, and their colours."""

import numpy as np
from PIL import Image

from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.faces.geometry import around


def placed(size, centre, edge, degrees=0.0):
    """The alignment of a square in a photo of this size: around a centre, turned clockwise."""
    angle = np.radians(degrees)
    corners = around(np.array(centre), np.array([np.cos(angle), np.sin(angle)]) * edge / 2)
    return Alignment(tuple(map(tuple, corners.tolist())), size)


def values(picture):
    """Its colours, 0 to 255: `[h, w, 3]`, which can be subtracted."""
    return np.asarray(picture, float)


def drawn(face, size, centre, edge, degrees=0.0, colour="gray"):
    """A photo of this size with a face in this square."""
    whole = np.array(placed(size, centre, edge, degrees).quad)
    axes = np.stack([whole[3] - whole[0], whole[1] - whole[0]], axis=1)
    inverse = np.linalg.inv(axes) * face.width
    start = -inverse @ whole[0]
    data = (*inverse[0], start[0], *inverse[1], start[1])
    square = face.convert("RGBA").transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    photo = Image.new("RGB", size, colour)
    photo.paste(square, mask=square.getchannel("A"))
    return photo
