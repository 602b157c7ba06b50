"""Finding directions: people and their scores, the search, and the report on its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylegan_cli import recipes, store
from stylegan_cli.cli import places
from stylegan_cli.cli.console import progress, tell
from stylegan_cli.cli.scoring import Scores, Scoring, Shown
from stylegan_cli.cli.studio import Studio
from stylegan_cli.datasets.sampled import SampledFaces, read_w
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.latents import files, people, references
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.named import MAX_SEED
from stylegan_cli.operations import discovery
from stylegan_cli.operations.discovery import Effect
from stylegan_cli.pictures import Face
from stylegan_cli.pillow import PICTURES
from stylegan_cli.scorers.scores import SCORES, SMALLEST, Scorers

FEWEST = 2 * discovery.HELD_OUT  # people that a direction needs
ENOUGH = 2000  # people for the spread of scores
MANY = 500  # people who take minutes
ENDING = "npz"


def destinations(model: str, names: Sequence[str], out: Path | None, force: bool) -> list[Path]:
    """A file for each direction: in the user's own folder, in the folder `out`, or `out` itself if it is a `.npz`."""
    if places.is_file_name(out, (ENDING,)):
        if len(names) > 1:
            raise UsageError(f"--out {out} is one file, but these are {len(names)} directions; name a folder")
        return [places.check_file(out, force)]
    if out is not None:
        places.check_folder_name(out, f"directions are .{ENDING} files")
    folder = out or store.source(model).own_directions
    return [places.check_file(folder / f"{name}.{ENDING}", force) for name in names]


def tell_of_use(path: Path, out: Path | None, amount: float) -> None:
    """Tells the user how a new direction is used: by its name in their own folder, or else by its file."""
    tell(f"Use it with stylegan edit PERSON --direction {path if out else path.stem}={amount:g}.")


def tell_of_hidden(model: str, paths: Sequence[Path]) -> None:
    """Tells the user which of the model's own directions edits will not find any more, because of these files."""
    source = store.source(model)
    for path in paths:
        if source.model and path.stem in source.model.directions and path.parent == source.own_directions:
            tell(
                f"From now on, edits by {path.stem} take this direction, and not the one that comes with {model}; to "
                f"have that one again, remove {path}."
            )


def check_seeds(seeds: range) -> None:
    if seeds[-1] > MAX_SEED:
        raise UsageError(f"people are drawn from --seed on, but seeds end at {MAX_SEED}; use a smaller --seed")


@dataclass(frozen=True, eq=False)
class Sample:
    """People to learn from: their `w` `[n, w_dim]`, how they are shown, and what is known before scoring."""

    w: Tensor
    shown: Iterable[Shown]
    labels: Mapping[str, Tensor] = field(default_factory=dict)

    def first(self, count: int) -> Sample:
        """The first `count` people, or all if there are fewer."""
        labels = {name: label[:count] for name, label in self.labels.items()}
        return Sample(self.w[:count], islice(self.shown, count), labels)


def of_seeds(studio: Studio, seeds: Iterable[int]) -> Sample:
    """The people of seeds."""
    rows = [people.from_seed(studio.generator, seed, studio.psi).ws[0] for seed in seeds]
    w = torch.stack(rows) if rows else torch.empty(0, studio.generator.w_dim)
    return Sample(w, _faces(studio, w))


def in_data(studio: Studio, faces: SampledFaces) -> Sample:
    """The people of a data set, drawn again if its pictures are too small for scorers."""
    w = torch.from_numpy(faces.w)
    is_small = faces.image(0).width < SMALLEST
    return Sample(w, _faces(studio, w) if is_small else map(faces.image, range(len(faces))))


def of_latents(studio: Studio, path: Path) -> Sample:
    """The people whose `w` are in a file."""
    w = torch.from_numpy(read_w(path, studio.generator))
    return Sample(w, _faces(studio, w))


def labelled(sample: Sample, name: str, path: Path) -> Sample:
    """The sample with the scores in a `.npy` as the label `name`: a number for each person, NaN where unknown."""
    with files.reading(path, "scores"):
        scores = files.read_npy(path)
    number = len(sample.w)
    if scores.dtype.kind not in "fiub" or scores.size != number or max(scores.shape, default=0) != number:
        raise StyleganError(
            f"{path} has shape {list(scores.shape)} ({scores.dtype}), but there are {number} people; give a number for "
            "each, NaN where it is not known"
        )
    with np.errstate(over="ignore"):  # what fits into 32 bits can be squared in 64
        scores = scores.reshape(-1).astype(np.float32)
    if np.isinf(scores).any():
        raise StyleganError(f"{path} holds infinite numbers, or some beyond 1e38; where none is known, give NaN")
    return replace(sample, labels={**sample.labels, name: torch.from_numpy(scores)})


def _faces(studio: Studio, w: Tensor) -> Iterable[Face]:
    return (Face(one.expand(studio.generator.num_ws, -1)) for one in w)


def scored(sample: Sample, score: Scoring | None) -> dict[str, Tensor]:
    """The scores of people: `[n]` by name."""
    seen: dict[str, list[float]] = {}
    if score is None:
        return {}
    if len(sample.w) >= MANY:
        tell(
            f"Drawing and scoring {len(sample.w):,} people takes minutes, unless it was done before; fewer (--count) "
            "give a rougher direction."
        )
    try:
        with progress("scoring", len(sample.w)) as advance:
            for shown in sample.shown:
                for name, value in score(shown).items():
                    seen.setdefault(name, []).append(value)
                advance()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped. Scores are kept: the same command goes on from here.") from None
    return {name: torch.tensor(values) for name, values in seen.items()}


def check_scorers(names: Sequence[str]) -> None:
    """Raises UsageError for unknown names, StyleganError if there are names and the scores are not installed."""
    if names:
        Scorers(names)


def units(scores: Mapping[str, Tensor]) -> dict[str, float]:
    """The standard deviation of each score, of those that have one."""
    known = {name: score[score.isfinite()] for name, score in scores.items()}
    deviations = {name: float(score.std()) for name, score in known.items() if len(score) > 1}
    return {name: deviation for name, deviation in deviations.items() if deviation > 0}


@dataclass(frozen=True, eq=False)
class Trial:
    """Moves the `layers` of `people` `[n, w_dim]` and has them scored."""

    studio: Studio
    score: Scoring
    people: Tensor
    layers: Sequence[int]
    units: Mapping[str, float]
    advance: Callable[[], None]

    @cached_property
    def here(self) -> list[Scores]:
        """The scores of the people as they are."""
        return [self._look(w, torch.zeros_like(w)) for w in self.people]

    def measure(self, step: Tensor) -> Effect:
        """What the movement `step` `[w_dim]` changes."""
        return discovery.measure(self._look, self.people, self.here, step, self.units)

    def _look(self, w: Tensor, by: Tensor) -> Scores:
        ws = w.repeat(self.studio.generator.num_ws, 1)
        ws[list(self.layers)] += by
        seen = self.score(Face(ws))
        self.advance()
        return seen


@dataclass(frozen=True)
class Search:
    """What to find: directions of the `targets` that leave the `kept` scores alone and move some `layers`. They are
    measured by moving the people of the seeds `walkers` by `amount`, both ways, and corrected in some `rounds`."""

    targets: Sequence[str]
    kept: Sequence[str]
    layers: Sequence[int]
    amount: float
    rounds: int
    walkers: range

    @property
    def faces(self) -> int:
        """How many faces are drawn and scored to measure."""
        corrected = sum(bool(set(self.kept) - {target}) for target in self.targets)
        return len(self.walkers) * (1 + 2 * (len(self.targets) + corrected * self.rounds))


def find(studio: Studio, search: Search, sample: Sample, score: Scoring | None) -> list[Direction]:
    """The directions, one for each target, learned from a sample."""
    discovery.check(sample.w, sample.labels)  # before everybody is drawn and scored
    is_learned_from = bool(search.kept) or not sample.labels
    scores = scored(sample if is_learned_from else sample.first(ENOUGH), score)
    learned = {**scores, **sample.labels}
    fitted = discovery.fit(sample.w, {name: learned[name] for name in (*search.targets, *search.kept)})
    if score is None:
        return [_found(studio, fitted, target, search, lambda _step: Effect({}, {})) for target in search.targets]
    walkers = of_seeds(studio, search.walkers).w
    with progress("measuring", search.faces) as advance:
        trial = Trial(studio, score, walkers, search.layers, units(scores), advance)
        return [_found(studio, fitted, target, search, trial.measure) for target in search.targets]


def _found(
    studio: Studio, fitted: discovery.Fit, target: str, search: Search, measured: Callable[[Tensor], Effect]
) -> Direction:
    """The direction of a target, corrected by what is measured of its effect."""
    kept = [name for name in search.kept if name != target]
    vector, moved = discovery.refine(fitted, target, kept, search.amount, search.rounds, measured)
    quality = {"accuracy": fitted.accuracy[target], "R squared": fitted.explained[target]}
    changes = {"amount": search.amount, "ahead": moved.ahead, "behind": moved.behind}
    return Direction(
        target,
        vector.expand(studio.generator.num_ws, -1),
        title=SCORES[target].title if target in SCORES else "found from examples",
        response=fitted.responses[target].float(),
        found={"kept": kept},
        scores=quality | (changes if moved.ahead or moved.behind else {}),
    )


def in_folders(studio: Studio, having: Path, lacking: Path, name: str) -> Sample:
    """The people in two folders, with one `w` each (the mean over their layers); the label `name` is 1 for those who
    have it, -1 for the others."""
    sides = [_in_folder(studio, folder) for folder in (having, lacking)]
    if (together := sum(map(len, sides))) < FEWEST:
        raise StyleganError(
            f"{having} and {lacking} together hold {together} people, too few to learn from; use at least "
            f"{FEWEST}, and hundreds for better directions"
        )
    labels = torch.cat([torch.full((len(side),), sign) for side, sign in zip(sides, (1.0, -1.0), strict=True)])
    w = torch.cat(sides)
    return Sample(w, _faces(studio, w), {name: labels})


def _in_folder(studio: Studio, folder: Path) -> Tensor:
    """Everybody in a folder's latent files or, if it has none, in its pictures."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    listing = sorted(folder.iterdir())
    found = [path for path in listing if path.suffix.lower() in files.ENDINGS + files.TORCH]
    found = found or [path for path in listing if path.suffix.lower() in PICTURES]
    if not found:
        raise StyleganError(f"{folder} holds neither latents nor pictures made by this tool")
    for path in found:
        if path.suffix.lower() in PICTURES and not recipes.has_recipe(path):
            raise StyleganError(f"{path} is a photo without known latents; use 'stylegan project' on it first")
    everybody = [person for path in found for person in references.from_file(path, studio.generator)]
    return torch.stack([person.ws.mean(dim=0) for person in everybody])


def report(directions: Sequence[Direction], amount: float) -> None:
    """What was found: how far each direction moves each score, if that was measured, and how well it was learned."""
    for one in directions:
        tell(f"{one.name}: accuracy {one.scores['accuracy']:.2f}, R squared {one.scores['R squared']:.2f}.")
    names = list(dict.fromkeys(name for direction in directions for name in direction.scores.get("ahead", {})))
    if names:
        _report_changes(directions, names, amount)
    else:
        tell(
            f"What moving by {amount:g} changes could not be measured: scorers are not installed, or they see no faces "
            f"of {SMALLEST} pixels here."
        )
    for direction in directions:
        if (explained := direction.scores["R squared"]) <= 0:
            tell(
                f"{direction.name} was learned from chance alone: it does not predict other people's scores (R squared "
                f"{explained:.2f}). Use more people, or people who differ more in it."
            )


def _report_changes(directions: Sequence[Direction], names: Sequence[str], amount: float) -> None:
    """The leakage table: for both ends of each direction, how far it moves each of the scores `names`."""
    tell(f"What moving by {amount:g} changes, in standard deviations of each score:")
    columns = [_column("", names)]
    for direction in directions:
        for sign, side in ((1, "ahead"), (-1, "behind")):
            moved = direction.scores[side]
            cells = [f"{sign * moved[name]:+.2f}" if name in moved else "-" for name in names]
            columns.append(_column(f"{direction.name} {sign * amount:+g}", cells, right=True))
    for row in zip(*columns, strict=True):
        tell("  ".join(row))


def _column(title: str, cells: Sequence[str], right: bool = False) -> list[str]:
    """A column of a table, padded to its width."""
    width = max(map(len, (title, *cells)))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in (title, *cells)]
