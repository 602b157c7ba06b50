"""Spotting faces in photos, for the commands that are given some."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from stylegan_cli.cli.console import fetch, progress, tell
from stylegan_cli.faces import alignment, detection
from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.faces.detection import Detection
from stylegan_cli.files import file_digest
from stylegan_cli.latents.photo import Photo


def faces_on(image: Image.Image) -> list[Detection]:
    """The faces in a photo, the largest first."""
    fetch(detection.DETECTOR)
    with progress("looking for faces", 1):
        return detection.detect(image)


def place_of_face(found: Sequence[Detection], image: Image.Image, photo: Photo, instead: str = "") -> Alignment:
    """The place of the face that a photo names, or of the largest; `instead` as in `alignment.choose`."""
    number = alignment.choose(found, photo.face, str(photo.path), instead=instead)
    return alignment.alignment(found[number - 1], image.size, number, file_digest(photo.path))


def tell_of(photo: Photo, found: Sequence[Detection], cut: Alignment) -> None:
    """Tells the user what is odd about a face in a photo, and that there are others."""
    path = photo.path
    if photo.face is None and len(found) > 1:
        tell(
            f"{path} shows {len(found)} faces, and this is the largest; {path}#2 is the next, and stylegan align "
            "--overview numbers them."
        )
    for remark in alignment.remarks(found[cut.face - 1], cut):
        tell(f"{path}: face {cut.face} {remark}.")
