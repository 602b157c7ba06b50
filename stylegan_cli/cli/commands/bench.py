"""`stylegan bench`: how fast this machine draws, so that people can compare and the tool knows what is faster."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylegan_cli.cli.console import print_data, progress, tell
from stylegan_cli.cli.options import Device, ModelChoice, command
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from stylegan_cli.generator import Generator


@dataclass(frozen=True)
class Row:
    """One row of the table; `psnr` in dB compares with the same picture in float32, not compiled: None if it is equal,
    0 if it contains not-a-number."""

    model: str
    pixels: int
    precision: str
    batch: int
    compiled: bool
    seconds: float
    pictures_per_second: float
    psnr: float | None


@command
def bench(
    models: Annotated[str, typer.Option("--model", "--network", help="Model names or files, with commas.")] = "ffhq",
    precisions: Annotated[
        str, typer.Option("--precision", help="fp32, bf16, fp16, with commas; auto: all that this machine supports.")
    ] = "auto",
    batches: Annotated[str, typer.Option("--batch", help="Pictures per call, with commas.")] = "1,4",
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Also measure compiled code (takes minutes, once); other commands use the result with --compile auto.",
        ),
    ] = False,
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="Minimum seconds for each figure.")] = 5.0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how fast this machine makes pictures: by model, precision and batch, compiled or not.

    Examples: stylegan bench; stylegan bench --model ffhq,network.pkl --precision fp32,bf16 --compile --json
    """
    from stylegan_cli import hardware, store
    from stylegan_cli.cli import devices

    where = devices.chosen(device)
    said = [part.strip() for part in precisions.split(",")]
    native = hardware.native_precisions(where)
    chosen = native if said == ["auto"] else [hardware.choose_precision(precision, where) for precision in said]
    sizes = _sizes(batches)
    named = [model.strip() for model in models.split(",")]
    for model in named:
        store.source(model)  # before others are measured
    plan = [(model, precision) for model in named for precision in chosen]
    rows: list[Row] = []
    try:
        with progress("measuring", len(plan) * len(sizes) * (1 + compiled), "figures") as advance:
            for model, precision in plan:
                for row in _measured(ModelChoice(model, device, precision), sizes, compiled, seconds):
                    rows.append(row)
                    advance()
    finally:
        if rows:
            (_print_json if as_json else _print_table)(rows)


def _measured(choice: ModelChoice, batches: Sequence[int], compiled: bool, seconds: float) -> Iterator[Row]:
    """The rows of one model in one precision; compiled ones last, if it can be compiled here."""
    from stylegan_cli import compilation, hardware
    from stylegan_cli.cli.opened import open_generator
    from stylegan_cli.psnr import psnr

    generator, precision = open_generator(choice)
    if precision == "fp32":
        reference = _average(generator)
    else:
        reference = _average(open_generator(ModelChoice(choice.model, choice.device, "fp32"))[0])
        hardware.set_up(generator.device, precision)  # as before that one was opened
    for is_compiled in (False, True) if compiled else (False,):
        if is_compiled and not _compile(generator, precision):
            return
        for batch in batches:
            each = compilation.seconds_a_picture(generator, batch, seconds)
            close = psnr(_average(generator), reference)
            told = None if close == inf else 0.0 if isnan(close) else close
            yield Row(generator.origin.name, generator.resolution, precision, batch, is_compiled, each, 1 / each, told)


def _average(generator: Generator) -> Tensor:
    """The picture of the average w."""
    import torch

    with torch.inference_mode():
        return generator.synthesize(generator.broadcast(generator.w_avg[None]))


def _compile(generator: Generator, precision: str) -> bool:
    """Whether the generator is compiled now, and it is kept what that gains; if not, the user is told why."""
    from stylegan_cli import compilation
    from stylegan_cli.errors import StyleganError

    try:
        compilation.judge(generator, precision)
    except StyleganError as error:
        tell(f"Not compiled: {error}.")
        return False
    return True


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise UsageError(f"--batch takes whole numbers from 1 on, with commas, like 1,4, not {text!r}")
    return sizes


def _machine() -> dict[str, Any]:
    import os
    import platform

    import torch

    from stylegan_cli import __version__, hardware

    return {
        "stylegan": __version__,
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "features": hardware.cpu_features(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _print_json(rows: Sequence[Row]) -> None:
    import json

    print_data(json.dumps({"machine": _machine(), "figures": [asdict(row) for row in rows]}, indent=1))


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    machine = _machine()
    machine["features"] = " and ".join(machine["features"])
    about = ", ".join(f"{key} {value}" for key, value in machine.items() if value)
    table = Table(box=None, caption=about, caption_justify="left")
    table.add_column("model", overflow="fold")
    for title in ("pixels", "precision", "batch", "compiled"):
        table.add_column(title)
    for title in ("pictures/s", "s/picture", "dB"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        close = "" if row.psnr is None else f"{row.psnr:.0f}"
        cells = [row.model, str(row.pixels), row.precision, str(row.batch), "yes" if row.compiled else "no"]
        table.add_row(*cells, f"{row.pictures_per_second:.2f}", f"{row.seconds:.3f}", close)
    Console().print(table)
