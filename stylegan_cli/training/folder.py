"""A run's folder: options, log, checkpoints, the current model, and pictures from it.

training_options.json         everything that the result depends on
command.json                  the options that the user gave
log.jsonl                     a line of measurements every tick
metrics.jsonl                 a line for each metric whenever it is computed
checkpoints/                  the complete state to continue from: the last two; best.safetensors, that of network-best
network-snapshot.safetensors  the generator's running average: a model file like any other
network-snapshot-000040...    the same after 40 kimg, with --keep-all
network-best.safetensors      the same at the time when the first of its metrics was lowest since it last grew
fakes000040.png               what it makes after 40 kimg, always from the same latents; reals.png for comparison
fakes000040.512.png           the same after 40.512 kimg, where training was stopped, or ticks are short
report.html                   curves and pictures in one file
training.mp4                  the sheets of fakes as a film
events.out.tfevents...        the curves for TensorBoard, if it is installed
.lock                         held by the process that trains, and removed by it unless it is killed
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from stylegan_cli import modelfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import (
    LOCK,
    alone,
    copy,
    is_leftover,
    is_nothing,
    nearest_existing,
    replacing,
    telling_why,
    write_bytes,
)
from stylegan_cli.pillow import BROKEN_PICTURE
from stylegan_cli.plain import is_number
from stylegan_cli.store import SNAPSHOT
from stylegan_cli.training import asked, checkpoints, film, report, snapshots
from stylegan_cli.training.board import Board
from stylegan_cli.training.loop import Moment, Pace, Tick
from stylegan_cli.training.options import Options
from stylegan_cli.training.state import State

OPTIONS, LOG, METRICS = "training_options.json", "log.jsonl", "metrics.jsonl"
BEST = "network-best.safetensors"
REPORT, FILM = "report.html", "training.mp4"
REALS, FAKES, NUMBERED = "reals.png", "fakes", f"{Path(SNAPSHOT).stem}-"
# The beginnings of temporary names of a run's files.
NAMES = (OPTIONS, asked.FILE, LOG, METRICS, SNAPSHOT, BEST, REPORT, FILM, REALS)
OURS = (f".{FAKES}", f".{NUMBERED}", *(f".{Path(name).stem}." for name in NAMES))
# The keys that every line of these has.
ENTRIES = {
    LOG: {"kimg", "nimg", "seconds"},
    METRICS: {"kimg", "nimg", "name", "title", "value", "num", "seconds"},
}

TEXTS = {"name", "title"}  # the other values are numbers


class RunFolder:
    """The files of one run. With `keeps`, older models stay beside the current one."""

    def __init__(self, path: Path, keeps: bool = False) -> None:
        self.path, self.keeps = path, keeps
        self.checkpoints, self.snapshot = path / "checkpoints", path / SNAPSHOT
        self._board: Board | None = None
        self._held = ExitStack()

    def options(self) -> Options | None:
        """The options of the run in this folder; None if the folder is new, or contains only what does not count: what
        is left by a process that was killed before it wrote them, and the files that Finder and Explorer add. Raises
        `StyleganError` if the folder contains something else."""
        file = self.path / OPTIONS
        if file.is_file():
            return Options.loads(file.read_bytes())
        if self.path.exists() and not (self.path.is_dir() and all(map(self._is_nothing, self.path.iterdir()))):
            raise StyleganError(f"{self.path} exists, but contains no run of stylegan train; choose another --outdir")
        return None

    def lock(self) -> None:
        """Until `close`, or until this process ends, no other process may train in this folder. Half-written files of
        killed processes are removed. Raises `StyleganError` if another process is training."""
        self._held.enter_context(alone(self.path / LOCK, f"{self.path} is being trained"))
        self._sweep()

    def begin(self, options: Options, nimg: int) -> None:
        """Prepares the locked folder for a run that has seen `nimg` pictures: log lines from beyond that are
        removed."""
        self.checkpoints.mkdir(exist_ok=True)
        self._write(self.path / OPTIONS, options.dumps())
        for name, lines in ((LOG, self.lines()), (METRICS, self.measured())):
            if (self.path / name).is_file():
                kept = [json.dumps(line) + "\n" for line in lines if line["nimg"] <= nimg]
                self._write(self.path / name, "".join(kept))
        self._board = Board(self.path, nimg)

    def remember(self, given: dict[str, Any]) -> None:
        """Writes the options that the user gave."""
        self._write(self.path / asked.FILE, asked.dumps(given))

    def check_whole(self) -> None:
        """Raises `StyleganError` if there is a model but no checkpoint: a run writes its first checkpoint before its
        first model, so the checkpoints were lost, and starting again would overwrite what it has learned."""
        if self.snapshot.exists() and not checkpoints.found(self.checkpoints):
            raise StyleganError(
                f"{self.path} has a model, but the checkpoints to continue from are gone; choose another --outdir, "
                f"with --resume {self.snapshot} to start from the model"
            )

    def close(self) -> None:
        if self._board:
            self._board.close()
        self._held.close()

    def _is_nothing(self, path: Path) -> bool:
        if path == self.checkpoints and path.is_dir():
            return not any(path.iterdir())
        return is_nothing(path.name)

    def _sweep(self) -> None:
        """Removes half-written files; the lock must be held. Those with other names are not this run's."""
        for path in (*self.path.iterdir(), *self.checkpoints.glob(".*")):
            if is_leftover(path.name) and (path.parent == self.checkpoints or path.name.startswith(OURS)):
                path.unlink(missing_ok=True)

    def log(self, tick: Tick) -> None:
        """Adds a line to the log."""
        values = {key: value for key, value in asdict(tick).items() if key != "means"}
        values = {"kimg": tick.kimg, **values, "r_t": tick.means.get("sign_real"), **tick.means}
        self._append(LOG, [values])
        if self._board:
            self._board.add("training", values, tick.nimg)

    def measure(self, metrics: Sequence[dict[str, Any]], state: State, options: Options) -> None:
        """Adds lines about the current model, which must be published, each with a `name`, a `title`, a `value`, its
        `floor` and the `seconds` that all took. The model and its checkpoint are kept if it is the best so far by the
        first metric, of those with as many details."""
        progress, (first, *_) = state.progress, metrics
        alike = [line for line in self.measured() if all(line[key] == first[key] for key in ("title", "num"))]
        # While it grows, a network takes the place of those with fewer details, however good they were.
        lod = Moment.of(options, progress.nimg).lod
        before = [line["value"] for line in alike if Moment.of(options, line["nimg"]).lod == lod]
        # By a metric that is new to the run, or on another number of pictures, nobody knows how good the best one is.
        if (alike or not (self.path / BEST).exists()) and all(first["value"] <= value for value in before):
            self._keep_best(progress.nimg)
        self._append(METRICS, [{"kimg": progress.kimg, "nimg": progress.nimg, **metric} for metric in metrics])
        if self._board:
            self._board.add("metrics", {metric["title"]: metric["value"] for metric in metrics}, progress.nimg)
        self._report(options)

    def _keep_best(self, nimg: int) -> None:
        """Copies the current model and its checkpoint. Neither replaces the former best one before both are complete:
        the model of one and the discriminator of another would not belong together."""
        with replacing(self.checkpoints / checkpoints.BEST) as checkpoint, replacing(self.path / BEST) as model:
            shutil.copyfile(checkpoints.path_of(self.checkpoints, nimg), checkpoint)
            shutil.copyfile(self.snapshot, model)

    def lines(self) -> list[dict[str, Any]]:
        """The log without its invalid lines: the last one may be truncated."""
        return self._lines(LOG)

    def measured(self) -> list[dict[str, Any]]:
        """The metrics so far, one record per line."""
        return self._lines(METRICS)

    def film(self) -> Path | None:
        """Writes the film; returns None if there are too few sheets."""
        sheets = [path for _, path in self.sheets()]
        if len(sheets) < 2:
            return None
        film.write(sheets, self.path / FILM)
        return self.path / FILM

    def _append(self, name: str, lines: Sequence[dict[str, Any]]) -> None:
        with telling_why(self.path / name), (self.path / name).open("ab") as file:
            for line in lines:
                file.write(json.dumps({key: _rounded(value) for key, value in line.items()}).encode() + b"\n")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        file = self.path / name
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        found = []
        for line in lines:
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict) and all(_is_valid(values, key) for key in ENTRIES[name]):
                found.append(values)
        return found

    def publish(self, state: State, options: Options, notes: dict[str, Any]) -> None:
        """Writes the model, a sheet and the report, and last a checkpoint: if the process is killed before that, they
        are made again."""
        name = stamp(options, state.progress.nimg)
        modelfile.save(state.average, self.snapshot, {**notes, "kimg": state.progress.kimg})
        if self.keeps:
            copy(self.snapshot, self.path / f"{NUMBERED}{name}{self.snapshot.suffix}")
        self._save_image(self.path / f"{FAKES}{name}.png", snapshots.fakes(state.average))
        self._report(options)
        checkpoints.save(state, self.checkpoints)

    def save_reals(self, sheet: Image.Image) -> None:
        """Writes the sheet of the first training pictures."""
        self._save_image(self.path / REALS, sheet)

    def sheets(self) -> list[tuple[float, Path]]:
        """The sheets of fakes, with their kimg, in this order. Other files in the folder are ignored, so that they
        cannot end a run."""
        named = ((re.fullmatch(rf"{FAKES}(\d+(\.\d+)?)\.png", path.name), path) for path in self.path.iterdir())
        return sorted((float(name[1]), path) for name, path in named if name and _is_picture(path))

    def _report(self, options: Options) -> None:
        self._write(self.path / REPORT, report.html(options, self.lines(), self.measured(), self.sheets()))

    def _save_image(self, path: Path, image: Image.Image) -> None:
        with replacing(path) as part:
            image.save(part, "PNG")

    def _write(self, path: Path, text: str) -> None:
        write_bytes(path, text.encode())  # on Windows, text files get other ends of lines


def _is_valid(line: dict[str, Any], key: str) -> bool:
    value = line.get(key)
    return isinstance(value, str) if key in TEXTS else is_number(value)


def stamp(options: Options, nimg: int) -> str:
    """The kimg in a file's name, with decimals only if an earlier step was already within the same kimg: at most one
    file has a short name, and the others have different ones."""
    kimg, rest = divmod(nimg, 1000)
    return f"{kimg:06d}" if rest < Moment.of(options, nimg).batch else f"{kimg:06d}.{rest:03d}"


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def check_room(run: RunFolder, state: State, pace: Pace) -> None:
    """Raises `StyleganError` unless a run's checkpoints and models fit on the disk: the newest ones, the best ones, one
    more of each, because they are complete before they replace others, and if the run keeps models, those that are
    still to come."""
    model = sum(tensor.nbytes for tensor in state.average.state_dict().values())
    saved = checkpoints.found(run.checkpoints)
    models = 3 + (pace.snapshots(int(saved[-1].stem) / 1000 if saved else 0.0) if run.keeps else 0)
    replaced = (*saved, run.checkpoints / checkpoints.BEST, run.snapshot, run.path / BEST)
    there = [path for path in replaced if path.is_file()]
    needed = (checkpoints.KEPT + 2) * state.nbytes + models * model - sum(path.stat().st_size for path in there)
    folder, free = run.path, shutil.disk_usage(nearest_existing(run.path)).free
    if free < needed:
        raise StyleganError(
            f"{folder} has {free / 1e6:,.0f} MB left, but this run needs {needed / 1e6:,.0f}; free some space, or "
            "choose another --outdir"
        )


def _is_picture(path: Path) -> bool:
    """Whether the header is a picture's: our files are complete or absent, and there may be hundreds."""
    try:
        Image.open(path).close()
    except BROKEN_PICTURE:
        return False
    return True
