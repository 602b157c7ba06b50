"""A person: the latents that make one face, and where they came from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import Face
from stylegan_cli.tuning import Tuned, blend, built_in

AT_ONCE = 10_000  # people who are compared: there may be millions


@dataclass(frozen=True)
class Person:
    """`ws` `[num_ws, w_dim]` float32 on the CPU, as the synthesis network takes them.

    `z` `[z_dim]` and the `psi` that truncated it are known only for people who came from a seed: moving in Z
    (spherical interpolation) needs them. `noise` is what they are drawn with. `tuned` is how a photo changed
    the generator; `photo` says which photo they come from, and where in it, as their file does: the `file`'s name, the
    face's `alignment`, how good its `likeness` is, and whether they were `edited` since.
    """

    label: str
    ws: Tensor
    z: Tensor | None = None
    psi: float = 1.0
    noise: Noise = field(default_factory=Noise)
    tuned: Tuned = ()
    photo: Mapping[str, Any] | None = None

    def face(self, caption: str | None = None) -> Face:
        """The picture of this person, with `caption` or else the label below it."""
        return Face(self.ws, self.noise, self.label if caption is None else caption, self.tuned)

    def moved(self, ws: Tensor, label: str) -> Person:
        """The person whom a change of `ws` makes of this one; they do not look like the photo any more."""
        photo = self.photo and {**self.photo, "edited": True}
        return replace(self, label=label, ws=ws, z=None, photo=photo)

    def needs_z(self) -> Tensor:
        """`z` `[z_dim]`, for moving in Z; raises StyleganError if it is not known."""
        if self.z is None:
            raise StyleganError(
                f"this moves in Z, but only the w of {self.label} is known; use a seed, or a person saved from a seed "
                "with the same --cutoff, --class and --new-center"
            )
        return self.z


def z_of_seed(seed: int, z_dim: int) -> Tensor:
    """The `z` `[z_dim]` float32 of a seed, drawn as in NVIDIA's tools, so that a seed gives the same face."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, z_dim)[0]).float()


def from_z(generator: Generator, z: Tensor, psi: float, label: str) -> Person:
    """The person of one `z` `[z_dim]`. One at a time, so that rounding never depends on who else is computed."""
    with torch.inference_mode():
        w = generator.to_w(z[None].to(generator.device))
        # If all layers are equal, one row in memory represents them.
        ws = generator.truncate(generator.broadcast(w)[:, : generator.truncated_rows], psi)
        ws = ws.expand(-1, generator.num_ws, -1)[0]
    return Person(label, ws.cpu(), z, psi)


def truncation(generator: Generator) -> dict[str, int | str]:
    """The settings other than psi that lead from a z to its person, if they are set."""
    chosen = {"cutoff": generator.cutoff, "class": generator.chosen_class, "new_center": centre_digest(generator)}
    return {name: value for name, value in chosen.items() if value is not None}


def centre_digest(generator: Generator) -> str | None:
    """The SHA-256 of the new centre, if there is one."""
    centre = generator.new_centre
    return None if centre is None else hashlib.sha256(centre.cpu().numpy().tobytes()).hexdigest()


def from_seed(generator: Generator, seed: int, psi: float) -> Person:
    """The person of a seed (0 to `named.MAX_SEED`), as in NVIDIA's tools, truncated by `psi`."""
    return from_z(generator, z_of_seed(seed, generator.z_dim), psi, str(seed))


def from_array(generator: Generator, array: np.ndarray, label: str, file: str = "") -> list[Person]:
    """All people in a latent array: `[w_dim]`, `[num_ws, w_dim]` (one person), `[n, 1 or num_ws, w_dim]` (n people).
    Raises StyleganError if the array does not fit; messages name `file` or `label`."""
    check_shape(generator, array, file or label)
    array = _as_float32(array, file or label)
    stack = array.reshape(-1, *array.shape[-2:]) if array.ndim > 1 else array.reshape(1, 1, -1)
    names = [label] if len(stack) == 1 else [f"{label}#{i}" for i in range(len(stack))]
    ws = torch.from_numpy(stack).expand(-1, generator.num_ws, -1)
    return [Person(name, one) for name, one in zip(names, ws, strict=True)]


def photos_of(people: Sequence[Person]) -> Any:
    """The photos that people were found in, as plain values: the one that all share, as on a strip; or a list with
    everybody's; None if nobody was found in a photo."""
    photos = [None if person.photo is None else dict(person.photo) for person in people]
    if not any(photos):
        return None
    return photos[0] if all(photo == photos[0] for photo in photos) else photos


def with_photos(people: Sequence[Person], photos: Any) -> list[Person]:
    """The inverse of `photos_of`: people with their photos. What does not fit them is left out."""
    each = photos if isinstance(photos, list) and len(photos) == len(people) else [photos] * len(people)
    return [
        replace(one, photo=photo) if isinstance(photo, dict) else one for one, photo in zip(people, each, strict=True)
    ]


def with_tunings(generator: Generator, everybody: Sequence[Person], tuned: Sequence[Tuned]) -> list[Person]:
    """People with their stored tunings, one `Tuned` each, without those that the generator was made with: they would
    have twice the effect. Raises StyleganError if they do not fit the generator."""
    if any(len(term.shares) != generator.num_ws for one in tuned for term in one):
        label = everybody[0].label
        raise StyleganError(f"the tunings stored with {label} do not belong to its latents; project the photo again")
    if known := built_in(generator.origin.notes):
        tuned = [tuple(term for term in one if term.tuning.digest not in known) for one in tuned]
    return [replace(person, tuned=own) for person, own in zip(everybody, tuned, strict=True)]


def z_from_array(generator: Generator, array: np.ndarray, label: str) -> Tensor:
    """The stored `z` `[z_dim]` of a person. Raises StyleganError if it is damaged."""
    if array.shape != (generator.z_dim,) or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise StyleganError(f"the z in {label} is not {generator.z_dim} finite numbers; save the person again")
    return torch.from_numpy(array.astype(np.float32))


def lerp(a: Person, b: Person, shares: Tensor, label: str) -> Person:
    """A person between two, with the noise of `a`: `shares` `[num_ws]` of `b` in each layer; with 0 its `w` is exactly
    that of `a`, with 1 that of `b`."""
    tuned = blend([(a.tuned, (1 - shares).tolist()), (b.tuned, shares.tolist())]) if a.tuned or b.tuned else ()
    return Person(label, a.ws.lerp(b.ws, shares[:, None]), noise=a.noise, tuned=tuned)


def one_w(generator: Generator, array: np.ndarray) -> np.ndarray:
    """Latents of a model with another number of layers, reduced to one row if all their rows are the same `w`, as
    NVIDIA's projector writes it: that means the same in every model with this W. Others are returned unchanged."""
    rows = array.shape[-2] if array.ndim in (2, 3) else 1
    if rows in (1, generator.num_ws) or array.shape[-1] != generator.w_dim:
        return array
    return array[..., :1, :] if is_one_w(array if array.ndim == 3 else array[None]) else array


def is_one_w(ws: np.ndarray) -> bool:
    """Whether the layers of each person share a `w`, in `[n, rows, w_dim]`."""
    return all((block == block[:, :1]).all() for block in in_blocks(ws))


def in_blocks(ws: np.ndarray) -> Iterator[np.ndarray]:
    """The latents of many people, some thousand at once."""
    return (ws[first : first + AT_ONCE] for first in range(0, len(ws), AT_ONCE))


def check_shape(generator: Generator, array: np.ndarray, label: str) -> None:
    """Raises StyleganError unless an array has a type and a shape that this model takes; its values are not checked."""
    num_ws, w_dim = generator.num_ws, generator.w_dim
    if array.dtype.kind != "f":
        raise StyleganError(f"{label} holds {array.dtype} values, but latents are floating-point numbers")
    if array.size == 0:
        raise StyleganError(f"{label} is empty: it has shape {list(array.shape)} and contains no people")
    if not (
        array.ndim in (1, 2, 3) and array.shape[-1] == w_dim and (array.ndim == 1 or array.shape[-2] in (1, num_ws))
    ):
        raise StyleganError(f"{label} has shape {list(array.shape)}; {_shapes(generator)}{_foreign(generator, array)}")


def _as_float32(array: np.ndarray, label: str) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise StyleganError(f"{label} holds NaN or infinite values; it is damaged, save it again")
    return array


def _shapes(generator: Generator) -> str:
    num_ws, w_dim = generator.num_ws, generator.w_dim
    return f"this model takes [{w_dim}], [{num_ws}, {w_dim}] or, for several people, [n, {num_ws}, {w_dim}]"


def _foreign(generator: Generator, array: np.ndarray) -> str:
    """Why an array of latents does not fit: it has too many axes, or another model's layers, which have another
    meaning."""
    if array.ndim > 3 and array.shape[-2] in (1, generator.num_ws) and array.shape[-1] == generator.w_dim:
        people = math.prod(array.shape[:-2])
        return f"; this one has an axis too many: reshape it to {[people, *array.shape[-2:]]}"
    if array.ndim < 2 or array.shape[-1] != generator.w_dim:
        return ""
    rows = array.shape[-2]
    owner = "a 1024-pixel StyleGAN or StyleGAN2" if rows == 18 else "another network"
    several = f"; the w of {rows} people would be [{rows}, 1, {generator.w_dim}]" if array.ndim == 2 else ""
    return f"; latents of {rows} layers belong to another model ({owner}) and have no meaning in this one{several}"
