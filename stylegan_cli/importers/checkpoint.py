"""The result of reading a checkpoint: networks of our architectures, with tensors that are checked to fit them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from torch import Tensor

from stylegan_cli import architectures
from stylegan_cli.architectures import stylegan3
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.importers.keymap import Pending
from stylegan_cli.importers.stored import RefusedError, shown
from stylegan_cli.modelfile import digest
from stylegan_cli.plain import entries

LIMITS = {
    "resolution": 4096, "attention": 1024, "mapping_layers": 64, "num_layers": 64, "head_layers": 64,
    "margin_size": 1024, "filter_size": 12, "lrelu_upsampling": 4,
}  # fmt: skip

MOST_MADE = 100  # times a file's size; noise maps usually take a tenth of it


@dataclass(frozen=True)
class Network:
    """A network of one of our architectures: what `architectures.build` takes, and its state dict. Or an encoder, whose
    config is that of its file in `encoders`, and whose tensors are not compared with it yet."""

    family: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]


class Checkpoint:
    """A foreign or native model file. `generator` is the averaged one (EMA), `training_generator` the one not averaged.

    Drawing needs only `generator`: the other networks can be given as functions, which load them on first access.
    `sha256` is the generator's `identity` if the file has been verified against it.
    """

    def __init__(
        self,
        format: str,
        generator: Network,
        discriminator: Network | Callable[[], Network] | None = None,
        training_generator: Network | Callable[[], Network] | None = None,
        notes: dict[str, Any] | None = None,
        sha256: str = "",
        encoder: Callable[[], Network] | None = None,
    ) -> None:
        self.format = format
        self.generator = generator
        self.notes = notes or {}
        self._sha256 = sha256
        self._discriminator = discriminator
        self._training_generator = training_generator
        self._encoder = encoder

    @cached_property
    def identity(self) -> str:
        """What the generator is told apart by: `modelfile.digest` of its whole config and its tensors."""
        family, tensors = self.generator.family, self.generator.tensors
        config = architectures.config_of(family, self.generator.config)
        return self._sha256 or digest(family, json.dumps(entries(config)), tensors)

    @property
    def has_encoder(self) -> bool:
        return self._encoder is not None

    @cached_property
    def encoder(self) -> Network | None:
        return self._encoder() if self._encoder else None

    @cached_property
    def discriminator(self) -> Network | None:
        return self._discriminator() if callable(self._discriminator) else self._discriminator

    @cached_property
    def training_generator(self) -> Network | None:
        return self._training_generator() if callable(self._training_generator) else self._training_generator


@dataclass(frozen=True)
class Draft:
    """A network whose tensors are still in the file."""

    family: str
    config: dict[str, Any]
    pending: Mapping[str, Pending]
    is_discriminator: bool = False

    def load(self, room: int) -> Network:
        """The network, after checking that its tensors fit its architecture and take no more than the `room` bytes of
        the file; raises RefusedError if not."""
        shapes = {name: tensor.shape for name, tensor in self.pending.items()}
        check(self.family, self.config, shapes, self.is_discriminator)
        check_room(self.pending.values(), room)
        return Network(self.family, self.config, {name: tensor.load() for name, tensor in self.pending.items()})


@dataclass(frozen=True)
class EncoderDraft:
    """An encoder whose tensors are still in the file."""

    config: dict[str, Any]
    pending: Mapping[str, Pending]

    def load(self, room: int) -> Network:
        """The encoder, whose tensors take no more than the `room` bytes of the file; raises RefusedError if they claim
        more."""
        check_room(self.pending.values(), room)
        return Network("encoder", self.config, {name: tensor.load() for name, tensor in self.pending.items()})


@dataclass(frozen=True)
class Drafts:
    """A checkpoint whose tensors are still in the file. What drawing does not need is not read until it is needed."""

    format: str
    generator: Draft
    discriminator: Callable[[], Draft] | None = None
    training_generator: Callable[[], Draft] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    encoder: Callable[[], EncoderDraft] | None = None


def generator(checkpoint: Checkpoint, name: str) -> Generator:
    """The averaged generator of a checkpoint, ready to use. Raises StyleganError if it is not finite."""
    network = checkpoint.generator
    if broken := next((name for name, tensor in network.tensors.items() if not tensor.isfinite().all()), None):
        raise StyleganError(
            f"{name} cannot draw: its {shown(broken)} holds NaN or infinite values, as after failed training; use an "
            "earlier snapshot"
        )
    ready = architectures.build(network.family, network.config)
    ready.load_state_dict(network.tensors, assign=True)
    ready.eval().requires_grad_(False)
    notes = {"format": checkpoint.format, **checkpoint.notes}
    ready.origin = Origin(name, checkpoint.identity, notes, ready.fingerprint(), checkpoint.has_encoder)
    return ready


def check_room(tensors: Collection[Pending], room: int) -> None:
    """Raises RefusedError if tensors take more than the `room` bytes of their file, as one that reuses the same numbers
    for many of them would grow when loaded; or if those that it lacks, which are made, take MOST_MADE times as much."""
    stored, made = (
        sum(math.prod(tensor.shape) for tensor in tensors if tensor.is_stored is kind) for kind in (True, False)
    )
    if 2 * stored > room:  # in half precision or more
        raise RefusedError("its tensors are larger than the file itself")
    if 4 * made > MOST_MADE * room:
        raise RefusedError("the noise maps that it lacks would be far larger than the file itself")


def check(
    family: str, config: dict[str, Any], shapes: Mapping[str, tuple[int, ...]], is_discriminator: bool = False
) -> None:
    """Compares names and shapes with the architecture's, which is built on `meta`; raises RefusedError if they
    differ."""
    build = architectures.build_discriminator if is_discriminator else architectures.build
    try:
        _check_values(family, config)
        expected = {name: tuple(tensor.shape) for name, tensor in build(family, config).state_dict().items()}
    except (StyleganError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise RefusedError(f"its {shown(family)} config is impossible ({str(error)[:80]!a})") from error
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            found, wanted = (_size(side.get(name)) for side in (shapes, expected))
            raise RefusedError(f"its {family} network has {shown(name)} as {found} instead of {wanted}")


def _check_values(family: str, config: dict[str, Any]) -> None:
    """Limits the config: even without tensors, the time and memory to build a network grow with some of its numbers."""
    for name, value in config.items():
        numbers = value if isinstance(value, list | tuple) else [] if isinstance(value, str | None) else [value]
        limit = LIMITS.get(name, 1 << 24)
        if len(numbers) > 64 or any(not isinstance(n, int | float) or not abs(n) <= limit for n in numbers):
            raise ValueError(f"{name} is out of range")
    if family in ("stylegan1", "stylegan2", "lucidrains"):
        doublings = math.log2(config.get("resolution", 1024)) - 2
        if doublings < 0 or doublings % 1:
            raise ValueError("resolution is no power of two from 4 on")
        if not 0 <= config.get("lod", 0) <= doublings:
            raise ValueError("lod is out of range")
    if family == "stylegan2" and not all(
        4 <= side * config.get("resolution", 1024) <= 4 * LIMITS["resolution"] for side in config.get("start", ())
    ):
        raise ValueError("start is out of range")
    if family == "mobilestylegan" and 4 << len(config["channels"]) > LIMITS["resolution"]:
        raise ValueError("it has too many channels")
    if family == "stylegan3":
        if any(factor < 2 for factor in config.get("up_factors", ())):
            raise ValueError("up_factors are from 2 on")
        rates = [signal.rate for signal in stylegan3.Config(**config).signals]
        if any(not 1 / 4 <= after / before <= 4 for before, after in pairwise(rates)):
            raise ValueError("its sampling rates jump, which needs enormous filters")


def _size(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else "x".join(map(str, shape)) or "a single number"
