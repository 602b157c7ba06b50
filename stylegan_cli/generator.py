"""The interface of every generator, whatever its family. The commands know nothing else about a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.bands import band_of
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.noise import Noise

FINGERPRINT = (32, 4)  # people whose `w` tells one W from another, and coordinates of each
KIN = 0.7  # cosine between the fingerprints of models with the same W; that of unrelated ones is 0, give or take 0.13


@dataclass(frozen=True)
class Layer:
    """One style input of the synthesis network: index into `ws`, resolution in pixels, number of channels it scales."""

    index: int
    resolution: int
    channels: int

    @property
    def band(self) -> str:
        return band_of(self.resolution)


@dataclass(frozen=True)
class Origin:
    """Where a generator came from: its name for the user, its sha256, what is known about the source, its
    `Generator.fingerprint`, if that is known, and whether its file also holds an encoder for it."""

    name: str = "unnamed"
    sha256: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    fingerprint: bytes = field(default=b"", compare=False)
    has_encoder: bool = field(default=False, compare=False)

    def to_plain(self) -> dict[str, str]:
        """What a file stores about the model that it belongs to."""
        return {"name": self.name, "sha256": self.sha256, "fingerprint": self.fingerprint.hex()}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Origin:
        """The inverse of `to_plain`. Raises `KeyError`, `TypeError` or `ValueError` if `plain` is damaged."""
        name, sha256 = str(plain["name"]), str(plain["sha256"])
        return Origin(name, sha256, fingerprint=bytes.fromhex(plain.get("fingerprint", "")))

    def is_kin(self, other: Origin) -> bool:
        """Whether a `w` means the same in both models, because they are the same or one was made from the other:
        fine-tuned, distilled, blended with a third at high resolutions, or rounded to half precision."""
        if self.sha256 and self.sha256 == other.sha256:
            return True
        ours, theirs = (np.frombuffer(one.fingerprint, np.int8).astype(float) for one in (self, other))
        return ours.shape == theirs.shape and bool(ours @ theirs > KIN * np.linalg.norm(ours) * np.linalg.norm(theirs))

    def check(self, other: Origin, what: str, advice: str = "name that model with --model") -> None:
        """Raises `StyleganError` unless this is the same model as `other`; the message begins with `what`, which says
        what belongs to this one, and how."""
        if self.sha256 != other.sha256:
            theirs, ours = (f"{origin.name} ({origin.sha256[:12]})" for origin in (self, other))
            raise StyleganError(f"{what} the model {theirs}, but this is {ours}; {advice}")

    def check_kin(self, other: Origin, what: str) -> None:
        """The same, but `other` may also be a model in which a `w` means the same."""
        if not self.is_kin(other):
            self.check(other, what)


class _Reached(Exception):  # noqa: N818 (no error)
    """Ends the drawing of a picture at the feature maps that are wanted."""


def rgb(images: Tensor) -> Tensor:
    """A network's output `[n, c, h, w]` as RGB `[n, 3, h, w]`: grey is repeated three times, and of more than three
    channels only the first three are kept."""
    return images[:, :3] if images.shape[1] >= 3 else images[:, :1].repeat(1, 3, 1, 1)


class Generator(nn.Module, ABC):
    """A mapping network and a synthesis network behind one interface.

    Subclasses set `layers`, and have a buffer `w_avg` `[w_dim]`; they set a `mapping`, or have a `to_w` of their own.
    """

    family: str
    layers: tuple[Layer, ...]
    mapping: nn.Module
    has_noise: bool = True
    w_avg: Tensor

    def __init__(self, config: Any) -> None:
        """`config` has the family's sizes; without `c_dim`, it knows no classes."""
        super().__init__()
        self.config = config
        self.resolution: int = config.resolution
        self.z_dim: int = config.z_dim
        self.w_dim: int = config.w_dim
        self.c_dim: int = getattr(config, "c_dim", 0)
        self.origin = Origin()
        self.dtype = torch.float32
        self.chosen_class: int | None = None
        self.cutoff: int | None = None
        self.new_centre: Tensor | None = None

    @property
    def num_ws(self) -> int:
        return len(self.layers)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.resolution, self.resolution

    def demand_squares(self, what: str) -> None:
        """Raises `UsageError` if pictures are not square; the message begins with `what`, which needs squares."""
        height, width = self.size
        if height != width:
            raise UsageError(f"{what} needs square pictures, but those of {self.origin.name} are {width}x{height}")

    @property
    def device(self) -> torch.device:
        return self.w_avg.device

    def to_w(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """`z` `[n, z_dim]` to `w` `[n, w_dim]`, not truncated. Classes `c` `[n, c_dim]` are `chosen_class` if None."""
        w: Tensor = self.mapping(z.to(self.w_avg), self.labels(len(z), c))
        return w

    def synthesize(self, ws: Tensor, noise: Noise | None = Noise()) -> Tensor:  # noqa: B008 (frozen)
        """`ws` `[n, num_ws, w_dim]` to pictures `[n, 3, *size]`, float32 RGB, nominally in [-1, 1].

        If `noise` is None, as in training, every picture has noise of its own, drawn from torch's random state. Else,
        and without gradients, pictures are made one by one, so that the batch size changes no pixel."""
        ws = ws.to(self.w_avg)
        if len(ws) == 1 or noise is None or torch.is_grad_enabled():
            return rgb(self.draw(ws, noise))
        return torch.cat([rgb(self.draw(one, noise)) for one in ws.split(1)])

    @abstractmethod
    def draw(self, ws: Tensor, noise: Noise | None) -> Tensor:
        """What `synthesize` does, for `ws` on the generator's device, with as many channels as the network has."""

    def fingerprint(self) -> bytes:
        """What a W is known by: where the mapping takes a few z, relative to `w_avg`, as FINGERPRINT int8. Fine-tuning
        hardly changes that (the mapping learns at a hundredth of the rate), while unrelated models have nothing in
        common here."""
        people, coordinates = FINGERPRINT
        z = torch.from_numpy(np.random.RandomState(0).randn(people, self.z_dim)).to(self.w_avg)
        c = self.one_hot(torch.zeros(people, dtype=torch.long)) if self.c_dim else None
        with torch.inference_mode():
            w = (self.to_w(z, c) - self.centre(c))[:, :coordinates].nan_to_num().cpu().float()
        return (w * (127 / w.abs().max().clamp(min=1e-12))).round().to(torch.int8).numpy().tobytes()

    def choose_class(self, index: int) -> None:
        """Makes this class the default from now on. Raises `UsageError` if the model does not have it."""
        if not 0 <= index < self.c_dim:
            known = f"the classes 0-{self.c_dim - 1}" if self.c_dim else "no classes"
            raise UsageError(f"--class {index}: {self.origin.name} has {known}")
        self.chosen_class = index

    def one_hot(self, classes: Tensor) -> Tensor:
        """Class numbers `[n]` as a mapping network takes them: `[n, c_dim]`."""
        return F.one_hot(classes.to(self.device), self.c_dim).float()

    def classes_in_turn(self, n: int) -> Tensor | None:
        """All classes, one after the other and again, whichever is chosen: `[n, c_dim]`; None if the model has none."""
        return self.one_hot(torch.arange(n) % self.c_dim) if self.c_dim else None

    def labels(self, n: int, c: Tensor | None) -> Tensor | None:
        """The classes `[n, c_dim]` for a mapping network: as given, or the chosen one; None if the model has none."""
        if not self.c_dim or c is not None:
            return c.to(self.w_avg) if self.c_dim and c is not None else None
        if self.chosen_class is None:
            raise UsageError(
                f"{self.origin.name} makes {self.c_dim} classes of pictures; choose one with --class 0 to "
                f"{self.c_dim - 1}, or in Python with choose_class"
            )
        return self.one_hot(torch.tensor([self.chosen_class])).expand(n, -1)

    @property
    def finest(self) -> int:
        """The resolution of the largest feature maps."""
        return self.resolution

    def features(self, ws: Tensor, resolution: int, noise: Noise | None = Noise()) -> Tensor:  # noqa: B008 (frozen)
        """The feature maps `[n, c, h, w]` of a resolution on the way from `ws` `[n, num_ws, w_dim]` to pictures; layers
        beyond it are not computed. Maps that reach beyond the picture are cropped to it. Raises ValueError if there are
        none of that resolution, which is at most `finest`."""
        if len(ws) > 1:
            return torch.cat([self.features(one, resolution, noise) for one in ws.split(1)])
        height, width = (edge * resolution // self.resolution for edge in self.size)
        stage, found = self.stage(resolution), list[Tensor]()

        def stop(_module: nn.Module, _inputs: Any, maps: Any) -> None:
            found.append(maps if isinstance(maps, Tensor) else maps[0])
            raise _Reached

        hook = stage.register_forward_hook(stop)
        try:
            self.draw(ws.to(self.w_avg), noise)
        except _Reached:
            pass
        finally:
            hook.remove()
        (maps,) = found
        top, left = (maps.shape[2] - height) // 2, (maps.shape[3] - width) // 2
        return maps[:, :, top : top + height, left : left + width]

    @abstractmethod
    def stage(self, resolution: int) -> nn.Module:
        """The part of the synthesis network that makes the last feature maps of this resolution, `[n, c, h, w]`. What
        it returns is them, or begins with them."""

    @abstractmethod
    def resolution_of(self, tensor: str) -> int | None:
        """The resolution that a tensor of the state dict works at; None if it belongs to all of them (the mapping)."""

    @abstractmethod
    def style_weights(self) -> list[Tensor]:
        """For each layer, the weights `[channels, w_dim]` that turn its `w` into styles, without biases: the rows of
        everything that this `w` drives, `[0, w_dim]` if nothing."""

    @contextmanager
    def moved(self, translate: tuple[float, float], rotate: float) -> Iterator[None]:
        """`set_transform` within the block; nobody is searched for, or measured, with a picture's own."""
        self.set_transform(translate, rotate)
        try:
            yield
        finally:
            self.set_transform()

    def set_transform(self, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> None:
        """Moves (picture widths, right and down) and turns (degrees, counter-clockwise) all pictures from now on.

        Raises `UsageError` if the family cannot do that."""
        if any((*translate, rotate)):
            raise UsageError(f"{self.origin.name} is a {self.family} and cannot move or turn faces; StyleGAN3 can")

    def broadcast(self, w: Tensor) -> Tensor:
        """One `w` `[n, w_dim]` for all layers: `[n, num_ws, w_dim]`, a view that takes no memory of its own."""
        return w.unsqueeze(1).expand(-1, self.num_ws, -1)

    @property
    def centres(self) -> Tensor:
        """The means of `w` that people can be near to, `[1, w_dim]`; `[c_dim, w_dim]` if every class has its own, and
        none is chosen."""
        return self.w_avg[None]

    def centre(self, c: Tensor | None) -> Tensor:  # noqa: ARG002 (few families have one for each class)
        """The mean of `w` that pictures of classes `c` `[n, c_dim]` are truncated towards, `[w_dim]` or `[n, w_dim]`;
        that of the chosen class if `c` is None."""
        return self.w_avg

    @property
    def truncated_rows(self) -> int:
        """How many rows of `ws` `truncate` needs: all if layers differ after it, else one, which represents them."""
        is_same = self.cutoff is None and (self.new_centre is None or len(self.new_centre) == 1)
        return 1 if is_same else self.num_ws

    def truncate(self, ws: Tensor, psi: float, c: Tensor | None = None) -> Tensor:
        """The truncation trick (StyleGAN, section 2.1 and appendix B) on `ws` `[n, num_ws, w_dim]` of classes `c`:
        `centre + psi * (w - centre)` on the layers below `self.cutoff`, or on all of them if that is None. The centre
        is `self.new_centre` `[1 or num_ws, w_dim]`, or the mean if that is None."""
        if psi == 1:
            return ws
        towards = self.centre(c).unsqueeze(-2) if self.new_centre is None else self.new_centre[: self.cutoff]
        truncated = ws.clone()
        kept = ws[..., : self.cutoff, :]
        truncated[..., : self.cutoff, :] = towards.lerp(kept, psi)
        return truncated

    def prepare(self, device: torch.device, dtype: torch.dtype) -> Generator:
        """Moves the generator to a device and sets the type that convolutions compute in; styles and `w` stay
        float32."""
        self.dtype = dtype
        return self.to(device).eval().requires_grad_(False)
