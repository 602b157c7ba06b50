"""`stylegan sample --dataset`: from seeds to a data set, in one or many processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, compress, islice, repeat
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import typer

from stylegan_cli import __version__, hardware, parallel
from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, progress, silence, tell
from stylegan_cli.cli.options import Generation, PictureOutput, command_line
from stylegan_cli.cli.stopping import Stopped, asked_to_stop
from stylegan_cli.cli.studio import Studio
from stylegan_cli.datasets.layout import MANIFEST, unfinished
from stylegan_cli.datasets.sharded import ShardedDataset
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.latents.people import Person, centre_digest, from_seed
from stylegan_cli.media.encode import encode_pixels
from stylegan_cli.media.render import pixels
from stylegan_cli.parallel import LostError, World
from stylegan_cli.pictures import Face

Made = TypeVar("Made")
LOT = 16  # people
LONGEST = 40  # letters of an option's value in a message


def sample_dataset(
    path: Path,
    generation: Generation,
    output: PictureOutput,
    ranges: list[range],
    face: Callable[[Person, int], Face],
    wishes: dict[str, Any],
) -> None:
    """Writes small pictures without recipes, which would be larger than the pictures: the latents beside them suffice.

    `wishes` are what else the pictures depend on, apart from the model and the `ranges` of seeds.
    """
    # With several GPUs, each process gets its own; from then on, "cuda" means that one.
    world = parallel.join_to_share(hardware.choose_device(generation.device))
    if not world.leads:
        silence()
        _wait(world)  # for the leader, which checks everything and fetches the model for all
    studio = Studio(generation, output)
    studio.check_noise(wishes["noise"])
    studio.generator.demand_squares("--dataset")
    _check_drawn(studio, ranges[0][0], face)
    shape = (studio.generator.truncated_rows, studio.generator.w_dim)
    dataset = ShardedDataset(path, sum(map(len, ranges)), shape, studio.format)
    with closing(dataset):
        if world.leads:
            _begin(dataset, studio, world, _wishes(studio, generation, ranges) | wishes)
            _wait(world)
        _sample(dataset, studio, world, ranges, face)


def _check_drawn(studio: Studio, seed: int, face: Callable[[Person, int], Face]) -> None:
    """Checks that the model can draw what is asked for, before starting a data set that could not continue."""
    first = face(_person(studio, 0, seed), seed)
    studio.generator.set_transform(first.translate, first.rotate)


def _sample(
    dataset: ShardedDataset, studio: Studio, world: World, ranges: list[range], face: Callable[[Person, int], Face]
) -> None:
    """Makes everything that is still missing, with all processes."""
    _compute_alike(dataset, studio)
    try:
        with asked_to_stop() as is_asked:
            _draw(dataset, studio, world, ranges, face, is_asked)
            world.leave()
            if world.leads:
                _pack(dataset, studio, is_asked)
    except KeyboardInterrupt:
        # The other processes may still be writing their last pictures.
        there = f"{'about ' if world.size > 1 else ''}{dataset.there():,} of {dataset.count:,}"
        raise Stopped(f"Stopped with {there} pictures done; run the same command again to continue.") from None


def _pack(dataset: ShardedDataset, studio: Studio, is_asked: Callable[[], bool]) -> None:
    """Finishes a data set. Raises KeyboardInterrupt if it is asked to stop while pictures are copied."""
    with progress("packing", dataset.count) as advance:

        def on_picture(done: int) -> None:
            advance(done)
            if is_asked():
                raise KeyboardInterrupt

        dataset.finish(_classes(studio, dataset.count), _model(studio), on_picture)
    print_data(dataset.path)


def _wishes(studio: Studio, generation: Generation, ranges: list[range]) -> dict[str, Any]:
    """What the pictures depend on, by the names of options."""
    centre = generation.new_center
    return {
        "model": _model(studio),
        "seeds": ",".join(f"{seeds[0]}-{seeds[-1]}" for seeds in ranges),
        "psi": studio.psi,
        "cutoff": generation.cutoff,
        "new-center": centre and {"name": centre, "sha256": centre_digest(studio.generator)},
        "class": generation.class_index,
        "classes": _in_turn(studio),
        "size": studio.output.size,
        "format": studio.format,
        "precision": studio.precision,
        "compile": generation.compile,
        "device": studio.generator.device.type,
    }


def _model(studio: Studio) -> dict[str, str]:
    """What a data set says about its model."""
    origin = studio.generator.origin
    return {"name": origin.name, "sha256": origin.sha256}


def _begin(dataset: ShardedDataset, studio: Studio, world: World, wishes: dict[str, Any]) -> None:
    """Checks whether the data set can be written, and whether it was started before."""
    force = studio.output.force
    before = unfinished(dataset.path)
    if before is None:
        places.check_sampled(dataset.path, dataset.latents, force)
    elif dataset.is_zip:
        places.check_file(dataset.path, force)
    if before and not _is_whole(before):
        if not force:
            raise StyleganError(
                f"the {MANIFEST} of the unfinished data set in {dataset.folder} is damaged; use --force to start again"
            )
        before = None
    other = before and difference(before["wishes"], wishes)
    if other and not force:
        raise UsageError(
            f"{dataset.folder} holds an unfinished data set with other options: {other}; give the same ones to "
            "continue, or use --force to start again"
        )
    if before and not other:
        dataset.begin(before, world.size, anew=False)
        tell(f"Continuing: {_found(dataset):,} of {dataset.count:,} pictures are done.")
        return
    studio.speed_up(dataset.count)
    arithmetic = {"threads": torch.get_num_threads(), "compiled": studio.is_compiled}
    about = {"wishes": wishes, "arithmetic": arithmetic, "version": __version__, "command": command_line()}
    dataset.begin(about, world.size, anew=True)


def _is_whole(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest tells how its pictures are computed."""
    arithmetic = manifest.get("arithmetic")
    if not isinstance(arithmetic, dict):
        return False
    threads, is_compiled = arithmetic.get("threads"), arithmetic.get("compiled")
    return type(threads) is int and threads > 0 and isinstance(is_compiled, bool)


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first option in which two data sets differ, as words; None if they are the same."""
    for name, value in now.items():
        if value != before.get(name):
            return f"--{name} was {_shown(before.get(name))}, and is now {_shown(value)}"
    return None


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    text = f"{value.get('name')} ({str(value.get('sha256'))[:12]})" if isinstance(value, dict) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _compute_alike(dataset: ShardedDataset, studio: Studio) -> None:
    """Makes this process compute like the one that started: the number of threads, and compiled code, change the last
    bits."""
    arithmetic = dataset.manifest()["arithmetic"]
    torch.set_num_threads(arithmetic["threads"])
    studio.compile = "on" if arithmetic["compiled"] else "off"
    studio.speed_up(dataset.count)
    if studio.is_compiled != arithmetic["compiled"]:
        raise StyleganError(
            f"{dataset.path} was started with compiled code, which does not work here; use --force --compile off"
        )


def _draw(
    dataset: ShardedDataset,
    studio: Studio,
    world: World,
    ranges: list[range],
    face: Callable[[Person, int], Face],
    is_asked: Callable[[], bool],
) -> None:
    """Makes this process's share, and waits for the others. Raises KeyboardInterrupt if it is asked to stop."""
    todo, found = dataset.todo(world.rank), _found(dataset)
    note = f"({world.size} processes, about)" if world.size > 1 else ""
    with ExitStack() as stack:
        add = stack.enter_context(dataset.adding(world.rank))
        advance = stack.enter_context(progress("sampling", dataset.count))
        background = stack.enter_context(studio.background())

        def write(index: int, done: int, ws: np.ndarray, encoded: bytes) -> None:
            add(index, encoded, ws)
            advance(min(found + done * world.size, dataset.count), note)

        seeds = compress(enumerate(chain(*ranges)), todo)
        people = ((index, seed, _person(studio, index, seed)) for index, seed in seeds)
        for done, (index, seed, person) in enumerate(_in_lots(people), start=1):
            drawn = pixels(studio.generator, face(person, seed), studio.output.size)
            ws = person.ws[: dataset.shape[0]].numpy()
            background.submit(partial(encode_pixels, drawn, studio.format), partial(write, index, done, ws))
            if is_asked():
                break
    if is_asked():
        raise KeyboardInterrupt
    _wait(world, is_asked)


def _in_turn(studio: Studio) -> int | None:
    """How many classes take turns: all that the model has, unless one was chosen."""
    return studio.generator.c_dim or None if studio.class_index is None else None


def _classes(studio: Studio, count: int) -> Iterable[int]:
    """Each picture's class: all take turns, unless one was chosen; nothing if the model has none."""
    if classes := _in_turn(studio):
        return (i % classes for i in range(count))
    return () if studio.class_index is None else repeat(studio.class_index, count)


def _person(studio: Studio, index: int, seed: int) -> Person:
    """The person of a seed, who is in a place of the data set."""
    if classes := _in_turn(studio):
        studio.generator.choose_class(index % classes)
    return from_seed(studio.generator, seed, studio.psi)


def _in_lots(people: Iterator[Made]) -> Iterator[Made]:
    """The same people, of whom several are made at a time: then the mapping's weights are still in the cache."""
    while lot := list(islice(people, LOT)):
        yield from lot


def _found(dataset: ShardedDataset) -> int:
    """How many pictures were there when these processes started."""
    return int(dataset.manifest()["runs"][-1]["there"])


def _wait(world: World, is_asked: Callable[[], bool] = lambda: False) -> None:
    """Waits until all processes are here."""
    try:
        world.wait()
    except LostError:
        if is_asked():
            raise KeyboardInterrupt from None
        if not world.leads:
            raise typer.Exit(1) from None
        raise
