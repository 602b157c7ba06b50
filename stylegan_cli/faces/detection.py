"""Finding faces: MTCNN's cascade over a pyramid of sizes, five points on each face, averaged to be stable, and from
them FFHQ's square, which is then corrected. The networks know upright faces; photos that lie on their side or upside
down are searched once more for each way that they may lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylegan_cli.faces import mtcnn
from stylegan_cli.faces.adjustment import adjusted
from stylegan_cli.faces.geometry import WHOLE, cut, inside, square

DETECTOR = (mtcnn.PROPOSE, mtcnn.REFINE, mtcnn.OUTPUT)
SEARCH = 1024  # pixels: faces are searched for in a picture scaled down to this longer edge
SMALLEST = 20  # pixels: the smallest face to look for in that picture
STEP = 0.709  # from one size to the next: half the area
CERTAIN = (0.6, 0.7, 0.7)  # the minimum probability after each network
OVERLAP = 0.7  # boxes that overlap more are one face
# Points are means over windows in FFHQ's square, as is and mirrored: (edge, height of the centre), in its fractions.
# Only windows like these, placed on the square of the previous round's points, show all faces to the network alike.
WINDOWS = [(edge, height) for edge in (0.6, 0.65, 0.7, 0.75) for height in (0.52, 0.56)]
ROUNDS = 3
BOX = 0.7  # the detector's box as a fraction of FFHQ's square: where the first round looks
CANVAS = 160  # pixels: the square that windows are cut from
SURE = 0.9  # the minimum mean probability over the last windows
CLEAR = 0.995  # below this, a face that is upside down may have been taken for an upright one
MIRRORED = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class Detection:
    """A face in a picture, in the picture's pixels: `box` `[4]` (left, top, right, bottom); five `points` `[5, 2]`, the
    eyes, the nose, the corners of the mouth, those on the left of the upright face first; FFHQ's `square` `[4, 2]`, as
    in `geometry`. `score` is the probability of a face."""

    box: np.ndarray
    score: float
    points: np.ndarray
    square: np.ndarray


def detect(image: Image.Image) -> list[Detection]:
    """All faces in an RGB picture, largest first; if there is no upright face, those in the first turn by quarters that
    shows any."""
    scale = min(1.0, SEARCH / max(image.size))
    small = image if scale == 1 else image.resize(_scaled(image.size, scale), Image.Resampling.BOX, reducing_gap=2.0)
    with torch.inference_mode():
        pixels = _to_tensor(small)
        for quarters in (0, 1, 3, 2):
            looks = [_look(image, box / scale, quarters) for box in _boxes(pixels, quarters).double().numpy()]
            if found := [face for face in looks if face.score > SURE]:
                return sorted(found, key=lambda face: -_area(face.box))
    return []


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = (max(round(edge * scale), 1) for edge in size)
    return width, height


def _to_tensor(image: Image.Image) -> Tensor:
    """`[1, 3, h, w]`, scaled as the networks expect."""
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() - 127.5) / 128


def _boxes(pixels: Tensor, quarters: int) -> Tensor:
    """Boxes `[n, 4]` around faces in the picture `[1, 3, h, w]` that are upright once it is turned anticlockwise by so
    many `quarters`."""
    if quarters:
        left, top, right, bottom = _boxes(pixels.rot90(1, (2, 3)), quarters - 1).T
        return torch.stack([pixels.shape[3] - bottom, left, pixels.shape[3] - top, right], dim=1)
    boxes = _propose(pixels)
    for stage in (1, 2):
        boxes = _closer(pixels, boxes, stage)
    return boxes


def _propose(pixels: Tensor) -> Tensor:
    """Boxes `[n, 4]` where there may be faces."""
    network, _, _ = mtcnn.networks()
    found, scores = [torch.zeros(0, 4)], [torch.zeros(0)]
    scale = network.WINDOW / SMALLEST
    while min(pixels.shape[2:]) * scale >= network.WINDOW:
        size = [max(round(edge * scale), network.WINDOW) for edge in pixels.shape[2:]]
        probability, correction = network(F.interpolate(pixels, size, mode="area"))
        rows, columns = torch.nonzero(probability[0] > CERTAIN[0], as_tuple=True)
        corner = torch.stack([columns, rows], dim=1).float() * network.STRIDE
        boxes = torch.cat([corner, corner + network.WINDOW], dim=1) / scale
        here = probability[0, rows, columns]
        kept = _without_doubles(boxes, here, 0.5)
        found.append(_corrected(boxes, correction[0, :, rows, columns].T)[kept])
        scores.append(here[kept])
        scale *= STEP
    boxes, certain = torch.cat(found), torch.cat(scores)
    return boxes[_without_doubles(boxes, certain, OVERLAP)]


def _closer(pixels: Tensor, boxes: Tensor, stage: int) -> Tensor:
    """The boxes `[n, 4]` that the network of this stage accepts as faces, corrected."""
    network = mtcnn.networks()[stage]
    if not len(boxes):
        return boxes
    boxes = _square(boxes)
    probability, correction, *_ = network(_windows(pixels, boxes, network.WINDOW))
    sure = probability > CERTAIN[stage]
    boxes, probability = _corrected(boxes, correction)[sure], probability[sure]
    return boxes[_without_doubles(boxes, probability, OVERLAP, of_smaller=stage == 2)]


def _look(image: Image.Image, box: np.ndarray, quarters: int) -> Detection:
    """The face in a box, upright once the picture is turned by so many `quarters`, or upside down."""
    face = _face(image, box, quarters)
    if SURE < face.score < CLEAR:
        return max(face, _face(image, box, quarters + 2), key=lambda face: face.score)
    return face


def _face(image: Image.Image, box: np.ndarray, quarters: int) -> Detection:
    """The face in a box; its points are found in the picture itself, not in the small one."""
    middle, half = (box[:2] + box[2:]) / 2, max(box[2:] - box[:2]) / BOX / 2
    corners = np.roll(middle + half * (2 * WHOLE - 1), quarters, axis=0)
    for _ in range(ROUNDS):
        points, score = _points(image, corners)
        corners = square(points)
    return Detection(box, score, points, adjusted(image, corners))


def _points(image: Image.Image, corners: np.ndarray) -> tuple[np.ndarray, float]:
    """Points `[5, 2]` and the probability of a face, both means over the windows of a square."""
    _, _, network = mtcnn.networks()
    canvas = cut(image, corners, CANVAS)
    windows = []
    for edge, height in WINDOWS:
        left, top = (0.5 - edge / 2) * CANVAS, (height - edge / 2) * CANVAS
        box = (left, top, left + edge * CANVAS, top + edge * CANVAS)
        windows.append(_to_tensor(canvas.resize((network.WINDOW, network.WINDOW), Image.Resampling.BILINEAR, box)))
    straight = torch.cat(windows)
    probability, _, found = network(torch.cat([straight, straight.flip(3)]))
    places, mirrored = found.double().numpy().reshape(2, len(WINDOWS), 5, 2)
    places += np.stack([1 - mirrored[:, MIRRORED, 0], mirrored[:, MIRRORED, 1]], axis=-1)
    edges, heights = np.array(WINDOWS).T[..., None, None]
    shares = (places / 2 - 0.5) * edges + np.concatenate([np.full_like(heights, 0.5), heights], axis=-1)
    return inside(corners, shares.mean(axis=0)), float(probability.mean())


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _windows(pixels: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Square boxes of the picture `[1, 3, h, w]` as windows `[n, 3, size, size]`; black outside the picture."""
    _, _, height, width = pixels.shape
    windows = []
    for left, top, right, bottom in boxes.round().int().tolist():
        inside = pixels[:, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        border = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
        windows.append(F.interpolate(F.pad(inside, border, value=-127.5 / 128), (size, size), mode="area"))
    return torch.cat(windows)


def _square(boxes: Tensor) -> Tensor:
    """Boxes `[n, 4]` made square around their centres."""
    centre, edge = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True)
    edge = edge.clamp(min=1)
    return torch.cat([centre - edge / 2, centre + edge / 2], dim=1)


def _corrected(boxes: Tensor, correction: Tensor) -> Tensor:
    """Boxes moved by corrections `[n, 4]`, which are fractions of their sizes."""
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes + correction * torch.cat([size, size], dim=1)


def _without_doubles(boxes: Tensor, scores: Tensor, overlap: float, of_smaller: bool = False) -> Sequence[int]:
    """Non-maximum suppression: indices of the best boxes, none overlapping a better one by more than `overlap` of
    their union (or of the smaller box)."""
    order = scores.argsort(descending=True, stable=True)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    kept: list[int] = []
    while len(order):
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        low, high = torch.maximum(boxes[best, :2], boxes[rest, :2]), torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (high - low).clamp(min=0).prod(dim=1)
        whole = torch.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - common
        order = rest[common <= overlap * whole]
    return kept
