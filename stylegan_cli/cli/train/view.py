"""What `stylegan train` shows while it runs: a live table on terminals, a line every tick elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from stylegan_cli.cli.console import is_silent, prose, tell
from stylegan_cli.training.presets import begins_judging

if TYPE_CHECKING:
    from stylegan_cli.importers import Checkpoint
    from stylegan_cli.training.data import Pictures
    from stylegan_cli.training.loop import Tick
    from stylegan_cli.training.options import Options
    from stylegan_cli.training.schedule import Growth
    from stylegan_cli.training.session import Session
    from stylegan_cli.training.state import State


FEW = 5000  # pictures, below which a discriminator soon knows them all (ADA, figure 1)
MOMENTS = 100  # at which the time left is estimated
REDRAWN = 0.1  # seconds: drawing the table takes as long as a small network's step


class LiveView:
    """Shows the progress of a run from `kimg` to `goal`, with its `growth`."""

    def __init__(self, goal: float, kimg: float, growth: Growth) -> None:
        self._goal, self._growth = goal, growth
        self._bar = Progress(BarColumn(), TextColumn("{task.completed:.1f} of {task.total:g} kimg"), console=prose())
        self._task = self._bar.add_task("", total=goal)
        self._bar.update(self._task, completed=kimg)
        self._live: Live | None = None
        self._drawn = 0.0
        self._first: tuple[float, float] | None = None  # kimg after the first step, and when that was
        self._cells: list[tuple[str, str]] = []
        self._ticked = False
        self._measured = self._note = ""

    def __enter__(self) -> LiveView:
        if prose().is_terminal and not is_silent():
            self._live = Live(self._table(), console=prose(), transient=True, auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def step(self, kimg: float) -> None:
        self._bar.update(self._task, completed=kimg)
        now = time.monotonic()
        if self._first is None:
            self._first = kimg, now
        if now < self._drawn + REDRAWN:
            return
        if not self._ticked:
            self._cells = self._early_cells(kimg, now)
        self._refresh()

    def tick(self, tick: Tick) -> None:
        self._ticked, self._cells = True, self._cells_of(tick)
        self._refresh()
        if self._live is None:
            tell(f"{tick.kimg:.1f} kimg  " + "  ".join(f"{name} {value}" for name, value in self._cells))

    def note(self, note: str) -> None:
        """What is being done instead of training; an empty note removes it."""
        is_new, self._note = not (note and self._note), note
        if is_new or time.monotonic() >= self._drawn + REDRAWN:
            self._refresh()

    def measured(self, metrics: Sequence[dict[str, Any]], kimg: float) -> None:
        found = (f"{one['title']} {one['value']:.4g}{_floor(one)}" for one in metrics)
        self._measured = f"{', '.join(found)} at {kimg:.1f} kimg"
        if self._live is None:
            tell(self._measured)

    def _refresh(self) -> None:
        self._drawn = time.monotonic()
        if self._live:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row("", self._bar)
        for name, value in [*self._cells, ("metrics", self._measured), ("now", self._note)]:
            if value:
                table.add_row(name, value)
        return table

    def _early_cells(self, kimg: float, now: float) -> list[tuple[str, str]]:
        """The speed of the steps before the first tick, which may be far away."""
        begun, since = self._first or (kimg, now)
        if kimg == begun or now == since:  # clocks may be coarse
            return []
        rate, pixels = (kimg - begun) * 1000 / (now - since), self._growth.resolution(self._growth.lod(kimg))
        return [("pictures/s", f"{rate:.1f}"), ("left", self._left(kimg, rate, pixels))]

    def _cells_of(self, tick: Tick) -> list[tuple[str, str]]:
        means = tick.means
        cells = [
            ("pixels", f"{tick.resolution}" + (f" (lod {tick.lod:.2f})" if tick.lod else "")),
            ("pictures/s", f"{tick.images_per_second:.1f}"),
            ("left", self._left(tick.kimg, tick.images_per_second, tick.resolution)),
            ("loss G", f"{means['loss_g']:.3f}" if "loss_g" in means else "paused"),
            ("loss D", f"{means['loss_d']:.3f}"),
            ("r_t", f"{means['sign_real']:.2f}"),
            ("ADA p", f"{tick.p:.3f}"),
            ("loader", f"{tick.wait:.1%}"),
            ("memory", f"{tick.memory:.0f} MB"),
        ]
        return [cell for cell in cells if cell != ("ADA p", "0.000")]

    def _left(self, kimg: float, rate: float, pixels: int) -> str:
        """Hours and minutes left at `kimg`, judging by `rate` pictures per second of `pixels`; `about` while the
        network grows, since later steps are slower."""
        slower = self._slower(kimg, pixels)
        minutes = round((self._goal - kimg) * 1000 / rate * slower / 60)
        about = "about " if slower > 1 else ""
        return f"{about}{max(minutes, 0) // 60}:{max(minutes, 0) % 60:02d} h"

    def _slower(self, kimg: float, pixels: int) -> float:
        """How much longer than now, at `pixels`, a picture takes on average until the goal. Each doubling of the
        resolution is assumed to cost twice as much, with four times the pixels and half the channels; measurements gave
        1.3 to 2.2 times."""
        step = (self._goal - kimg) / MOMENTS
        lods = (self._growth.lod(kimg + (i + 0.5) * step) for i in range(MOMENTS))
        return sum(self._growth.resolution(lod) / pixels for lod in lods) / MOMENTS


def _floor(metric: Mapping[str, Any]) -> str:
    """What to compare a metric with, if that is known."""
    return "" if metric["floor"] is None else f" (real against real {metric['floor']:.4g})"


def introduction(session: Session, resumed: Sequence[str], processes: int, goal: float) -> Iterator[str]:
    """What is about to be trained until `goal` kimg, and what the user should know about it: at its beginning also the
    hints on the model that it is `resumed` from."""
    options, pictures, progress = session.options, len(session.pictures), session.state.progress
    yield summary(options, pictures, session.state, processes, goal)
    if progress.nimg == 0:
        yield from resumed
    yield from hints(options, pictures, progress.kimg, goal)


def hints_on_resume(name: str, resumed: Checkpoint, c_dim: int, pictures: Pictures) -> Iterator[str]:
    """What a run with `c_dim` classes takes from the model that it begins from, and what it cannot."""
    makes, wanted = resumed.generator.config["resolution"], pictures.resolution
    if wanted != makes:
        what = "layers for more start at random" if wanted > makes else "its layers for more are left out"
        yield f"{name} makes {makes} pixels, and this run {wanted}: {what}."
    elif pictures.size != wanted:
        yield (
            f"The pictures have {pictures.size} pixels, and are scaled to the {wanted} that {name} makes; use "
            f"--resolution {pictures.size} to add layers."
        )
    if resumed.discriminator is None:
        yield f"{name} has no discriminator, so a new one starts at random; a run's folder and its best model have one."
    elif begins_judging(resumed, wanted, resumed.discriminator.config.get("c_dim", 0)):
        yield f"The discriminator's layers at the picture, of {wanted} pixels, start at random."
    elif begins_judging(resumed, wanted, c_dim):
        had = resumed.discriminator.config.get("c_dim", 0)
        has = f"{c_dim}" if c_dim else "none, as --cond was not given"
        yield (
            f"{name} has {had or 'no'} classes and this run {has}, so the discriminator's last layer starts at random."
        )
    else:
        yield f"{name} gives the generator and the discriminator; optimisers and augmentation start anew."
    if c_dim and resumed.generator.config.get("c_dim", 0):
        yield f"Classes are matched by their numbers: the pictures' class 0 goes on as class 0 of {name}, and so on."


def hints(options: Options, pictures: int, done: float, goal: float) -> Iterator[str]:
    """Problems of a run of `goal` kimg (`done` so far) that beginners cannot foresee."""
    if done < options.warmup_kimg:
        yield (
            f"For {options.warmup_kimg:g} kimg the discriminator learns alone, and pictures do not change"
            + (f": use more than --kimg {goal:g}, or a shorter --warmup-kimg." if goal <= options.warmup_kimg else ".")
        )
    growth = options.growth
    if done < goal and (reached := growth.resolution(growth.lod(goal))) < options.resolution:
        yield (
            f"With --kimg {goal:g} the model grows to {reached} pixels, not to {options.resolution}: use more, or "
            "also shorten --stable-kimg and --fade-kimg."
        )
    elif not done and growth.first < growth.last:
        yield (
            f"It begins at {growth.first} pixels, for {growth.stable.at(growth.first):g} kimg, and grows until "
            f"{growth.kimg:g} kimg."
        )
    if pictures < FEW and options.aug == "none":
        yield f"{pictures:,} pictures are few, and will be learned by heart: use --aug ada against that."


def _counted(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters >= 1e6 else f"{parameters:,}"


def summary(options: Options, pictures: int, state: State, processes: int, goal: float) -> str:
    """What is about to be trained."""
    sizes = [_counted(sum(p.numel() for p in one.parameters())) for one in (state.generator, state.discriminator)]
    done = f"{state.progress.kimg:g} kimg"
    begun = f"continuing after {done}" if state.progress.nimg else "starting"
    if state.progress.kimg >= goal:
        begun = f"{done} are done; use a larger --kimg to continue"
    together = f" in {processes} processes" if processes > 1 else ""
    return (
        f"{options.cfg} at {options.resolution} pixels, generator {sizes[0]} and discriminator {sizes[1]} "
        f"parameters, {pictures:,} pictures, {options.precision}{together}; {begun}."
    )
