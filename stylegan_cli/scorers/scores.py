"""What a picture of a face shows, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import nan

import numpy as np
from PIL import Image

from stylegan_cli.assets import Asset
from stylegan_cli.errors import UsageError
from stylegan_cli.scorers import attributes, mesh, runtime, tones
from stylegan_cli.scorers.looks import both_ways, prepare
from stylegan_cli.scorers.silhouette import SILHOUETTE
from stylegan_cli.scorers.tones import View

SMALLEST = 128  # pixels: for smaller faces, scores and identity mean nothing
# From a face and its mirror image to a number.
Read = Callable[[View, View], float]


@dataclass(frozen=True)
class Score:
    """One number about a face, with its `unit` for tables and a `title` for the user. `assets` are the files that it
    needs."""

    name: str
    unit: str
    title: str
    assets: tuple[Asset, ...]
    read: Read = field(repr=False)


def _classified(classify: Callable[[Image.Image], float]) -> Read:
    return lambda view, _mirrored: classify(view.face)


def _measured(measure: Callable[[np.ndarray], float], mirrored: int = 1) -> Read:
    return _seen(lambda view: measure(view.points), mirrored)


def _seen(see: Callable[[View], float], mirrored: int = 1) -> Read:
    """The mean of both views; `mirrored` is -1 for a measure that changes its sign in the mirror image."""
    return lambda view, other: (see(view) + mirrored * see(other)) / 2


OUTLINES = (mesh.MESH, SILHOUETTE)
# All need the mesh: it shows whether there is a face at all.
SCORES = {
    score.name: score
    for score in (
        Score("age", "years", "how old the face looks", (mesh.MESH, attributes.AGE), _classified(attributes.age)),
        Score(
            "gender", "log-odds", "a man (positive) or a woman (negative)",
            (mesh.MESH, attributes.GENDER), _classified(attributes.gender),
        ),
        Score(
            "smile", "log-odds", "happy rather than anything else",
            (mesh.MESH, attributes.EXPRESSION), _classified(attributes.smile),
        ),
        Score("yaw", "degrees", "turned to the picture's right", (mesh.MESH,), _measured(mesh.yaw, -1)),
        Score("pitch", "degrees", "looking up", (mesh.MESH,), _measured(mesh.pitch)),
        Score("roll", "degrees", "tilted clockwise", (mesh.MESH,), _measured(mesh.roll, -1)),
        Score("mouth-open", "ratio", "the gap between the lips over the mouth's width", (mesh.MESH,),
              _measured(mesh.mouth_open)),
        Score("eyes", "ratio", "how wide the eyes are open: height over width", (mesh.MESH,),
              _measured(mesh.eyes_open)),
        Score("jaw", "ratio", "the jaw's width over the face's height", (mesh.MESH,), _measured(mesh.jaw)),
        Score("hair", "%", "how light the hair is", OUTLINES, _seen(tones.hair)),
        Score("hair-length", "%", "hair beside the jaw, over the face's width", OUTLINES, _seen(tones.hair_length)),
        Score("hairline", "%", "bare skin above the brows, over the face's height", OUTLINES, _seen(tones.hairline)),
        Score("lips", "%", "how much redder the lips are than the cheeks", (mesh.MESH,), _seen(tones.lips)),
        Score("glasses", "%", "how clearly the frame of glasses shows", (mesh.MESH,), _seen(tones.glasses)),
        Score("skin", "%", "how light the skin is", (mesh.MESH,), _seen(tones.skin)),
        Score("light", "%", "light from the picture's left", (mesh.MESH,), _seen(tones.light, -1)),
    )
}  # fmt: skip


class Scorers:
    """Computes the named scores of many pictures. Networks are loaded with the first picture: fetch `assets` first."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises UsageError for unknown names, StyleganError if the extra is not installed."""
        self.names = tuple(names)
        for name in self.names:
            if name not in SCORES:
                raise UsageError(f"there is no score {name!r}; scores are {', '.join(SCORES)}")
        runtime.demand()

    @property
    def assets(self) -> tuple[Asset, ...]:
        """The files that these scores need, each once."""
        return tuple(dict.fromkeys(asset for name in self.names for asset in SCORES[name].assets))

    @property
    def versions(self) -> dict[str, str | list[str]]:
        """What these scores are computed by: the SHA-256 of each one's networks, and the version of OpenVINO."""
        networks = {name: [asset.wheel.sha256 for asset in SCORES[name].assets] for name in self.names}
        return {**networks, "openvino": runtime.version()}

    def __call__(self, face: Image.Image) -> dict[str, float]:
        """The scores of an RGB picture of one face, square, aligned like FFHQ, of 128 pixels or more: nan for what it
        does not show, all nan if no face is found."""
        face = prepare(face)
        meshes = mesh.read(face)
        if meshes is None:
            return dict.fromkeys(self.names, nan)
        views = list(map(View, both_ways(face), meshes))
        return {name: SCORES[name].read(*views) for name in self.names}
