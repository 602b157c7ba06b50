"""Everything that a run's result depends on. Names are those of the command-line options."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.plain import LATER, entries, misfits
from stylegan_cli.training.augment import PIPES
from stylegan_cli.training.schedule import ByResolution, Growth

# What --cfg can be, and the families.
CFGS = {"stylegan1": "stylegan1", "stylegan2": "stylegan2", "stylegan3-t": "stylegan3", "stylegan3-r": "stylegan3"}
REG_INTERVALS = {"g": 4, "d": 16}
COUNTS = ("batch", "batch_gpu")
BY_RESOLUTION = ("glr", "dlr", "gamma", "stable_kimg", "fade_kimg", *COUNTS)


@dataclass(frozen=True)
class Options:
    """On a CPU, two runs with equal options and as many threads give the same model; on GPUs, nearly the same.

    Numbers that may depend on the resolution are strings for `ByResolution`. `generator` and `discriminator` are
    configs of the architectures; `data` is a fingerprint; `resume` is the hash of the model that training started from.
    """

    cfg: str
    data: str
    resolution: int
    c_dim: int
    generator: dict[str, Any]
    discriminator: dict[str, Any]
    seed: int = 0
    batch: str = "32"
    batch_gpu: str = "32"
    glr: str = "0.002"
    dlr: str = "0.002"
    gamma: str = "1"
    ema_kimg: float = 10.0
    ema_rampup: float | None = 0.05
    mixing: float = 0.9
    pl_weight: float = 0.0
    blur_init_sigma: float = field(default=0.0, metadata=LATER)
    blur_fade_kimg: float = field(default=0.0, metadata=LATER)
    first_res: int = 8
    stable_kimg: str = "600"
    fade_kimg: str = "600"
    mirror: bool = False
    aug: str = "none"
    p: float = 0.0
    augpipe: str = "bgc"
    target: float = 0.6
    ada_kimg: float = 500.0
    resume: str = ""
    freezed: int = 0
    warmup_kimg: float = 0.0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        """Raises `UsageError` if options make no sense, alone or together."""
        check_values(vars(self))
        if self.precision not in PRECISIONS:
            raise UsageError(f"there is no precision {self.precision!r}; precisions are {', '.join(PRECISIONS)}")
        if self.cfg == "stylegan1" and self.first_res > self.resolution:
            raise UsageError(f"--first-res {self.first_res} is more than the {self.resolution} pixels to grow to")
        for resolution in self.growth.resolutions:
            batch, part = self.batch_at(resolution), self.micro_batch_at(resolution)
            if batch % part:
                raise UsageError(f"--batch {batch} cannot be split into parts of --batch-gpu {part} pictures")
            group = self.discriminator.get("mbstd_group_size", 4)
            if group and part % min(group, part):
                raise UsageError(
                    f"{part} pictures, computed at once, are no whole groups of {group} (--mbstd-group); use a --batch "
                    f"and --batch-gpu of multiples of {group}, or --mbstd-group {math.gcd(part, group)}"
                )

    @property
    def family(self) -> str:
        return CFGS[self.cfg]

    @property
    def growth(self) -> Growth:
        first = self.first_res if self.cfg == "stylegan1" else self.resolution
        stable, fade = ByResolution.parse(self.stable_kimg), ByResolution.parse(self.fade_kimg)
        return Growth(first, self.resolution, stable, fade)

    @property
    def g_interval(self) -> int | None:
        """Steps between two of the generator's regularisations; None if it has none."""
        return REG_INTERVALS["g"] if self.pl_weight else None

    def blur_at(self, kimg: float) -> float:
        """The `sigma` of the blur through which the discriminator sees everything, less and less: in NVIDIA's code
        StyleGAN3-R begins so, lest the discriminator wins at once."""
        return max(1 - kimg / self.blur_fade_kimg, 0) * self.blur_init_sigma if self.blur_fade_kimg else 0.0

    def batch_at(self, resolution: int) -> int:
        """Pictures per step of the optimisers."""
        return int(ByResolution.parse(self.batch).at(resolution))

    def micro_batch_at(self, resolution: int) -> int:
        """Pictures that go through the networks at once: a batch consists of parts, each with its own random numbers,
        whichever process computes it."""
        return min(int(ByResolution.parse(self.batch_gpu).at(resolution)), self.batch_at(resolution))

    @property
    def identity(self) -> str:
        """What a run is known by, in whatever version it began."""
        return hashlib.sha256(json.dumps(entries(self), indent=2).encode()).hexdigest()

    def dumps(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @staticmethod
    def loads(text: str | bytes) -> Options:
        """The inverse of `dumps`, in UTF-8. Raises `StyleganError` if it is damaged, or contains an unknown option:
        without it the run would continue differently."""
        try:
            found = json.loads(text)
            if unknown := sorted(found.keys() - {field.name for field in fields(Options)}):
                raise StyleganError(
                    f"the run's training_options.json contains {unknown[0]!r}, which this version does not know; "
                    "continue with the version that started it, or choose another --outdir"
                )
            if wrong := misfits(Options, found):
                raise ValueError(f"{wrong[0]} has the wrong type")
            return Options(**found)
        except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
            raise StyleganError(
                "the run's training_options.json is damaged and cannot be read; choose another --outdir"
            ) from None


def check_values(values: Mapping[str, Any]) -> None:
    """Raises `UsageError` if one of these options, by their names, has a value that it has in no run."""
    if (aug := values.get("aug", "none")) not in ("ada", "fixed", "none"):
        raise UsageError(f"there is no augmentation {aug!r}; --aug is ada, fixed or none")
    if (pipe := values.get("augpipe", "bgc")) not in PIPES:
        raise UsageError(f"there is no --augpipe {pipe!r}; use {', '.join(PIPES)}")
    if (first := values.get("first_res", 8)) & (first - 1):
        raise UsageError(f"--first-res {first} is not a power of two")
    for name in (name for name in BY_RESOLUTION if name in values):
        try:
            found = ByResolution.parse(values[name])
        except UsageError as error:
            raise UsageError(f"--{name.replace('_', '-')}: {error}") from None
        if name in COUNTS and any(value < 1 or value % 1 for _, value in found.values):
            raise UsageError(f"--{name.replace('_', '-')} {values[name]} is not a whole number of pictures")
