"""Compiled synthesis (torch.compile): used where it measured faster on this machine, and checked before use."""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan_cli import __version__
from stylegan_cli.errors import MALFORMED, StyleganError, first_line, lacks_memory
from stylegan_cli.files import write_bytes
from stylegan_cli.folders import cache_folder
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import cpu_features, has_matrix_units
from stylegan_cli.noise import Noise
from stylegan_cli.ops.constants import hold_when_compiled
from stylegan_cli.plain import misfits
from stylegan_cli.psnr import psnr

Synthesis = Callable[..., Tensor]
CHOICES = ("auto", "on", "off")
FROM_FACES = 50
"""Fewer faces than this are drawn at once, without asking whether compiled code would pay."""
UNKNOWN_FROM_FACES, UNKNOWN_FROM_SECONDS = 500, 120.0
"""Without a measurement, compiling and measuring pay off from this many faces that take this many seconds to draw."""
CLOSE_ENOUGH = 40.0  # dB PSNR against the eager picture
MARGIN = 0.9  # of the eager time: a smaller gain is not worth another code path
WARM_UP, FEWEST = 2, 3  # untimed calls first, and the minimum number of timed calls
GLANCE = 1.0  # seconds to measure for, before many faces are drawn


@dataclass(frozen=True)
class Verdict:
    """Measured seconds per picture, and until compiled code from the cache is `ready`; infinity if it could not be
    compiled."""

    eager: float
    compiled: float
    ready: float

    @property
    def is_faster(self) -> bool:
        """Whether compiled code is, once it is ready."""
        return self.compiled < MARGIN * self.eager

    def pays(self, faces: int) -> bool:
        """Whether this many faces are drawn sooner by compiled code, the time to load it included."""
        return self.is_faster and faces * (self.eager - self.compiled) > self.ready


NEVER = Verdict(0.0, math.inf, math.inf)


def compile_synthesis(generator: Generator) -> None:
    """Makes `generator.synthesize` run compiled code for pictures with the model's own noise.

    Raises StyleganError, and leaves the generator unchanged, if this machine cannot compile it or if the compiled code
    draws a different picture. Compiled code is kept in the cache.
    """
    _choose_cache()
    eager = generator.synthesize
    # Feature maps are channels last already. Torch's own choice copied a single picture's at each upsampling.
    on_cuda = generator.device.type == "cuda"
    options: dict[str, Any] = {"triton.cudagraphs": True} if on_cuda else {"layout_optimization": False}
    hold_when_compiled()
    torch.compiler.assume_constant_result(has_matrix_units)  # the compiler cannot follow its questions
    try:
        compiled = torch.compile(eager, dynamic=False, options=options)
    except RuntimeError as error:  # it does not know this Python
        raise _impossible(generator, error) from error

    def synthesize(ws: Tensor, noise: Noise | None = Noise()) -> Tensor:  # noqa: B008 (frozen)
        """One picture at a time, so that only one shape is compiled; other noise is drawn by numpy, or rarely used."""
        if noise is None or replace(noise, seed=0) != Noise() or torch.is_grad_enabled():
            return eager(ws, noise)
        # Copies: a w that is expanded along the layers, or comes from elsewhere, would be compiled again.
        copies = (one.clone(memory_format=torch.contiguous_format) for one in ws.split(1))
        # A CUDA graph draws the next picture over the last.
        pictures = [compiled(one).clone() if on_cuda else compiled(one) for one in copies]
        return torch.cat(pictures) if len(pictures) > 1 else pictures[0]

    _check(generator, eager, synthesize)
    generator.synthesize = synthesize  # type: ignore[method-assign]


def undo(generator: Generator) -> None:
    """Makes `generator.synthesize` what it was before `compile_synthesis`."""
    del generator.synthesize


def verdict(generator: Generator, precision: str) -> Verdict | None:
    """The measurement for this model and precision on this machine, or None."""
    kept = _read(_file()).get(_key(generator, precision))
    if not isinstance(kept, dict) or kept.keys() != asdict(NEVER).keys() or misfits(Verdict, kept):
        return None
    return Verdict(**kept)


def keep_verdict(generator: Generator, precision: str, found: Verdict) -> None:
    """Stores a measurement, if the cache can be written; if not, it can be made again."""
    path = _file()
    verdicts = _read(path) | {_key(generator, precision): asdict(found)}
    with suppress(StyleganError):
        write_bytes(path, json.dumps(verdicts, indent=1).encode())


def seconds_a_picture(generator: Generator, batch: int, seconds: float) -> float:
    """The median seconds per picture over all calls of `synthesize` that fit into `seconds` (at least three), each with
    `batch` different pictures, after two untimed calls."""
    return _in_turns(generator, [generator.synthesize], batch, seconds)[0]


def judge(generator: Generator, precision: str) -> Verdict:
    """Compiles `generator.synthesize`, measures what that gains, and keeps the result for this machine. Eager and
    compiled calls take turns, so that what else the machine does slows both.

    Raises StyleganError if it cannot be compiled, which is kept, too.
    """
    eager, imports = generator.synthesize, _import_compiler()
    _compile_or_never(generator, precision)
    undo(generator)
    torch.compiler.reset()
    start = time.perf_counter()
    _compile_or_never(generator, precision)  # again: its code is in the cache now, as it will be from now on
    ready = imports + time.perf_counter() - start
    seconds, compiled_seconds = _in_turns(generator, [eager, generator.synthesize], 1, 2 * GLANCE)
    found = Verdict(seconds, compiled_seconds, ready)
    keep_verdict(generator, precision, found)
    return found


def compile_where_it_pays(generator: Generator, precision: str, faces: int) -> bool:
    """Compiles `generator.synthesize` to draw this many `faces` (FROM_FACES or more), if that is known to be faster on
    this machine; returns whether it did. Without a measurement, drawing that takes minutes is reason enough to measure,
    and the result is kept.

    Raises StyleganError if it cannot be compiled.
    """
    known = verdict(generator, precision)
    if known is not None:
        if pays := known.pays(faces):
            _compile_or_never(generator, precision)
        return pays
    if faces < UNKNOWN_FROM_FACES or faces * seconds_a_picture(generator, 1, GLANCE) < UNKNOWN_FROM_SECONDS:
        return False
    found = judge(generator, precision)
    if not found.is_faster:
        undo(generator)
    return found.is_faster


def _check(generator: Generator, eager: Synthesis, synthesize: Synthesis) -> None:
    """Compares three calls: CUDA graphs are recorded by the second one, and first replayed by the third."""
    average = generator.broadcast(generator.w_avg[None])
    calls = average, average / 2, average
    with torch.inference_mode():
        try:
            with _quiet():
                drawn = [synthesize(ws) for ws in calls]
        except RuntimeError as error:  # torch raises this if there is no compiler, and if it fails
            raise _impossible(generator, error) from error
        expected = [eager(ws) for ws in calls[:2]]
    for one, other in zip(drawn, [*expected, expected[0]], strict=True):
        closeness = psnr(one, other)
        if not closeness >= CLOSE_ENOUGH:
            raise StyleganError(
                f"compiled code for {generator.origin.name} draws a different picture here ({closeness:.0f} dB PSNR)"
            )


def _impossible(generator: Generator, error: RuntimeError) -> StyleganError:
    return StyleganError(f"this machine cannot compile {generator.origin.name} ({first_line(error)})")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says when it compiles: TF32 would be faster, CUDA's toolkit is here, but no GPU."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _choose_cache() -> None:
    """Makes compiled code go into our cache, unless the user says where. The compiler chooses when it is imported."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))


@cache
def _import_compiler() -> float:
    """The seconds that importing it took in this process, as it does in each that uses it."""
    _choose_cache()
    start = time.perf_counter()
    importlib.import_module("torch._inductor.compile_fx")
    return time.perf_counter() - start


def _compile_or_never(generator: Generator, precision: str) -> None:
    """`compile_synthesis`; what fails is not tried again, unless only memory was missing at the moment."""
    try:
        compile_synthesis(generator)
    except StyleganError as error:
        if not lacks_memory(error.__cause__):
            keep_verdict(generator, precision, NEVER)
        raise


def _in_turns(generator: Generator, ways: Sequence[Synthesis], batch: int, seconds: float) -> list[float]:
    """The median seconds per picture of each of these functions; they are called in turn."""
    times: list[list[float]] = []
    with torch.inference_mode():
        drawn = torch.randn(batch, generator.w_dim, generator=torch.Generator().manual_seed(0))
        ws = generator.broadcast(generator.w_avg + drawn.to(generator.device))
        for _ in range(WARM_UP):
            for synthesize in ways:
                _timed(synthesize, ws)
        end = time.perf_counter() + seconds
        while len(times) < FEWEST or time.perf_counter() < end:
            times.append([_timed(synthesize, ws) for synthesize in ways])
    return [statistics.median(taken) / batch for taken in zip(*times, strict=True)]


def _timed(synthesize: Synthesis, ws: Tensor) -> float:
    start = time.perf_counter()
    synthesize(ws)
    if ws.device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def _file() -> Path:
    return cache_folder() / "compiled" / "verdicts.json"


def _read(path: Path) -> dict[str, Any]:
    """The stored measurements; empty if they cannot be read, because they can be made again."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, *MALFORMED):
        return {}


def _key(generator: Generator, precision: str) -> str:
    """Everything that speed depends on: if any of it changes, a verdict no longer holds."""
    device = generator.device.type
    processor = " ".join([platform.machine(), *cpu_features(), str(torch.get_num_threads())])
    machine = torch.cuda.get_device_name() if device == "cuda" else processor
    network = generator.origin.sha256[:16] or generator.origin.name
    return " ".join([network, precision, device, machine, torch.__version__, __version__])
