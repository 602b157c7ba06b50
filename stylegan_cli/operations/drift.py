"""How far people are from the average face, and edits within a limit of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.editing import Edit, ends, movement

SAMPLES = 1000
HALVINGS = 30  # which determine the share to 1e-9


def typical_distance(generator: Generator) -> float:
    """The mean distance from their centre of 1000 draws of `w` from seed 0, without truncation, with all classes in
    turn."""
    return float(_from_centre(generator).norm(dim=1).mean())


def deviations(generator: Generator, vectors: Tensor) -> Tensor:
    """The standard deviation `[n]`, in the same draws, of `w` along unit vectors `[n, w_dim]`: how far people differ
    in these."""
    return (_from_centre(generator) @ vectors.T.to(generator.device)).std(dim=0).cpu()


def _from_centre(generator: Generator) -> Tensor:
    """The draws, relative to their centre: `[SAMPLES, w_dim]`."""
    z = torch.from_numpy(np.random.RandomState(0).randn(SAMPLES, generator.z_dim)).float().to(generator.device)
    c = generator.classes_in_turn(SAMPLES)
    with torch.inference_mode():
        return generator.to_w(z, c) - generator.centre(c)


@dataclass(frozen=True, eq=False)
class Ruler:
    """Measures how far `ws` are from the nearest of `centres` `[n, w_dim]`, in `typical` distances: 1 is the mean of
    the model's own people."""

    centres: Tensor
    typical: float

    def drift(self, ws: Tensor) -> float:
        """The mean over the layers of `ws` `[num_ws, w_dim]`."""
        return float(torch.stack([(ws - centre).norm(dim=1).mean() for centre in self.centres]).min()) / self.typical

    def length(self, by: Tensor) -> float:
        """How long the movement `by` `[num_ws, w_dim]` is, in the layer that moves most."""
        return float(by.norm(dim=1).max()) / self.typical

    def share(self, ws: Tensor, by: Tensor, limit: float) -> float:
        """The largest fraction of the movement `by` that ends within `limit`, 0 to 1; if that is not all of it, `ws`
        must be within the limit."""
        if self.drift(ws + by) <= limit:
            return 1.0
        # From a single centre the drift is convex along a line: starting within the limit, it exceeds it only once. In
        # any case, `low` is within it.
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.drift(ws + middle * by) <= limit else (low, middle)
        return low


def ruler_of(generator: Generator) -> Ruler:
    """A generator's ruler; draws a thousand `w` to find out how far its people are from the average one."""
    return Ruler(generator.centres.cpu(), typical_distance(generator))


def limited(generator: Generator, ruler: Ruler, person: Person, edits: Sequence[Edit], limit: float) -> list[Edit]:
    """The edits with amounts scaled down until the person's drift is within `limit` wherever the edits end. Raises
    StyleganError if even the person before any edit is beyond it."""
    start, stop = (
        _allowed(ruler, person, movement(generator, edits, at), limit) if at in ends(edits) else 1.0
        for at in (0.0, 1.0)
    )
    if start == stop == 1:
        return list(edits)
    return [replace(edit, start=edit.start * start, stop=edit.stop * stop, aim=None, between=()) for edit in edits]


def _allowed(ruler: Ruler, person: Person, by: Tensor, limit: float) -> float:
    """The fraction of the movement `by` that a person may go."""
    if ruler.drift(person.ws + by) > limit and ruler.drift(person.ws) > limit:
        raise StyleganError(
            f"{person.label} is {ruler.drift(person.ws):.2f} typical distances from the average face before any edit; "
            "use a larger --max-drift"
        )
    return ruler.share(person.ws, by, limit)
