"""Compiled synthesis (torch.compile), where it was measured to pay on this machine, and checked before it is used."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan_cli import __version__
from stylegan_cli.assets import cache_folder
from stylegan_cli.errors import StyleganError, first_line
from stylegan_cli.files import write_bytes
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import cpu_features
from stylegan_cli.noise import Noise
from stylegan_cli.ops.constants import hold_when_compiled
from stylegan_cli.plain import misfits

Synthesis = Callable[..., Tensor]
CHOICES = ("auto", "on", "off")
FROM_FACES = 50
"""Fewer faces than this are drawn before compiling would be done, even where its code comes from the cache."""
UNKNOWN_FROM_FACES, UNKNOWN_FROM_SECONDS = 500, 120.0
"""So many faces, and so long a time to draw them, repay compiling and measuring where nobody has measured yet."""
CLOSE_ENOUGH = 40.0  # dB PSNR against the eager picture
MARGIN = 0.9  # of the eager time: a gain that is worth another path through the arithmetic
WARM_UP, FEWEST = 2, 3  # calls before those that are timed, and of those at least
GLANCE = 1.0  # seconds to measure for, before much is drawn


@dataclass(frozen=True)
class Verdict:
    """Seconds a picture, as `stylegan bench` measured them."""

    eager: float
    compiled: float

    @property
    def pays(self) -> bool:
        return self.compiled < MARGIN * self.eager


def compile_synthesis(generator: Generator) -> None:
    """From now on `generator.synthesis` runs compiled code for pictures with the model's own noise.

    Raises StyleganError, and leaves the generator as it was, where this machine cannot compile it or where the compiled
    code draws another picture. What was compiled is kept in the cache.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    eager = generator.synthesis
    # Maps are channels last already. Torch's own choice copied a single picture's at each doubling.
    on_cuda = generator.device.type == "cuda"
    options: dict[str, Any] = {"triton.cudagraphs": True} if on_cuda else {"layout_optimization": False}
    hold_when_compiled()
    compiled = torch.compile(eager, dynamic=False, options=options)

    def synthesis(ws: Tensor, noise: Noise = Noise()) -> Tensor:  # noqa: B008 (frozen)
        """One by one, so that no other shape has to be compiled; other noise is drawn by numpy, or rarely used."""
        if replace(noise, seed=0) != Noise() or torch.is_grad_enabled():
            return eager(ws, noise)
        # Copies: a w that is repeated along the layers, or comes from elsewhere, would be compiled for again.
        copies = (one.clone(memory_format=torch.contiguous_format) for one in ws.split(1))
        return torch.cat([compiled(one).clone() for one in copies])

    _check(generator, eager, synthesis)
    object.__setattr__(generator, "synthesis", synthesis)  # past modules: some families have one of this name


def undo(generator: Generator) -> None:
    """`generator.synthesis` is again what it was before `compile_synthesis`."""
    object.__delattr__(generator, "synthesis")


def verdict(generator: Generator, precision: str) -> Verdict | None:
    """What was measured for this model and precision on this machine, if anything was."""
    kept = _read(_file()).get(_key(generator, precision))
    if not isinstance(kept, dict) or kept.keys() != {"eager", "compiled"} or misfits(Verdict, kept):
        return None
    return Verdict(**kept)


def keep_verdict(generator: Generator, precision: str, found: Verdict) -> None:
    path = _file()
    verdicts = _read(path) | {_key(generator, precision): asdict(found)}
    write_bytes(path, json.dumps(verdicts, indent=1).encode())


def seconds_a_picture(generator: Generator, batch: int, seconds: float) -> float:
    """The median over as many calls of `synthesis`, with `batch` different pictures each, as `seconds` hold (at least
    three), after two that do not count."""
    times: list[float] = []
    with torch.inference_mode():
        z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(generator.device)
        ws = generator.broadcast(generator.truncate(generator.mapping(z), 0.7))
        for _ in range(WARM_UP):
            _timed(generator, ws)
        end = time.perf_counter() + seconds
        while len(times) < FEWEST or time.perf_counter() < end:
            times.append(_timed(generator, ws))
    return statistics.median(times) / batch


def compile_where_it_pays(generator: Generator, precision: str, faces: int) -> bool:
    """Compiles `generator.synthesis` before it draws that many `faces` (FROM_FACES or more), if that is known to pay on
    this machine; says whether it did. Where nobody knows, minutes of drawing are reason enough to find out, and what
    was found is kept.

    Raises StyleganError where it cannot be compiled.
    """
    known = verdict(generator, precision)
    if known is not None:
        if known.pays:
            compile_synthesis(generator)
        return known.pays
    if faces < UNKNOWN_FROM_FACES:
        return False
    eager = seconds_a_picture(generator, 1, GLANCE)
    if faces * eager < UNKNOWN_FROM_SECONDS:
        return False
    try:
        compile_synthesis(generator)
    except StyleganError:
        keep_verdict(generator, precision, Verdict(eager, math.inf))
        raise
    found = Verdict(eager, seconds_a_picture(generator, 1, GLANCE))
    keep_verdict(generator, precision, found)
    if not found.pays:
        undo(generator)
    return found.pays


def psnr(one: Tensor, other: Tensor) -> float:
    """How close two pictures in [-1, 1] are, in dB; not-a-number where one of them holds one."""
    error = (one.clamp(-1, 1).cpu().double() - other.clamp(-1, 1).cpu().double()).square().mean()
    return float(10 * torch.log10(4 / error))


def _check(generator: Generator, eager: Synthesis, synthesis: Synthesis) -> None:
    """Of three calls: CUDA's graphs are recorded by the second one, and first replayed by the third."""
    average = generator.broadcast(generator.w_avg[None])
    calls = average, average / 2, average
    with torch.inference_mode():
        try:
            with warnings.catch_warnings():  # that TF32 would be faster, which nobody asked for
                warnings.simplefilter("ignore")
                drawn = [synthesis(ws) for ws in calls]
        except RuntimeError as error:  # no compiler, or one that fails: torch's errors for both are of this kind
            raise StyleganError(f"this machine cannot compile {generator.origin.name} ({first_line(error)})") from None
        expected = [eager(ws) for ws in calls[:2]]
    for one, other in zip(drawn, [*expected, expected[0]], strict=True):
        closeness = psnr(one, other)
        if not closeness >= CLOSE_ENOUGH:
            raise StyleganError(
                f"compiled code for {generator.origin.name} draws another picture here ({closeness:.0f} dB PSNR)"
            )


def _timed(generator: Generator, ws: Tensor) -> float:
    start = time.perf_counter()
    generator.synthesis(ws)
    if ws.device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def _file() -> Path:
    return cache_folder() / "compiled" / "verdicts.json"


def _read(path: Path) -> dict[str, Any]:
    """What was kept; nothing where that cannot be read, for it can be measured again."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _key(generator: Generator, precision: str) -> str:
    """What speed depends on: a verdict does not outlive any of it."""
    device = generator.device.type
    processor = " ".join([platform.machine(), *cpu_features(), str(torch.get_num_threads())])
    machine = torch.cuda.get_device_name() if device == "cuda" else processor
    network = generator.origin.sha256[:16] or generator.origin.name
    return " ".join([network, precision, device, machine, torch.__version__, __version__])
