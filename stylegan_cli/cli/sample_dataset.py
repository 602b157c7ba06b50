"""`stylegan sample --dataset`: from seeds to a data set, in one or many processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import chain, compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from stylegan_cli import __version__, hardware, parallel
from stylegan_cli.cli import places
from stylegan_cli.cli.boundary import INTERRUPTED
from stylegan_cli.cli.console import data, progress, tell
from stylegan_cli.cli.options import Generation, PictureOutput, command_line
from stylegan_cli.cli.stopping import asked_to_stop
from stylegan_cli.cli.studio import Studio
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.latents.people import Person, from_seed
from stylegan_cli.media.dataset import unfinished
from stylegan_cli.media.encode import encode
from stylegan_cli.media.render import render
from stylegan_cli.media.sharded import ShardedDataset, difference
from stylegan_cli.parallel import LostError, World
from stylegan_cli.pictures import Face


def sample_dataset(
    path: Path,
    generation: Generation,
    output: PictureOutput,
    ranges: list[range],
    face: Callable[[Person, int], Face],
    wishes: dict[str, Any],
) -> None:
    """Small pictures without recipes, which would be larger than they are: the latents beside them say it all.

    `wishes` are what else the pictures depend on, beside the model and the `ranges` of seeds.
    """
    # Of several GPUs each process gets its own, which is what "cuda" means from then on.
    world, _ = parallel.join_to_share(hardware.choose_device(generation.device))
    if not world.leads:
        output = replace(output, quiet=True)
        _wait(world)  # for the leader, who looks whether all is well, and fetches the model for all
    studio = Studio(generation, output)
    studio.check_noise(wishes["noise"])
    _check_drawn(studio, ranges[0][0], face)
    rows = 1 if studio.generator.cutoff is None else studio.generator.num_ws
    dataset = ShardedDataset(path, sum(map(len, ranges)), (rows, studio.generator.w_dim), studio.format)
    with closing(dataset):
        if world.leads:
            _begin(dataset, studio, world, _wishes(studio, generation, ranges) | wishes)
            _wait(world)
        _sample(dataset, studio, world, ranges, face)


def _check_drawn(studio: Studio, seed: int, face: Callable[[Person, int], Face]) -> None:
    """That the model draws what is asked for, before a data set is begun that could not go on."""
    first = face(from_seed(studio.generator, seed, studio.psi), seed)
    studio.generator.set_transform(first.translate, first.rotate)


def _sample(
    dataset: ShardedDataset, studio: Studio, world: World, ranges: list[range], face: Callable[[Person, int], Face]
) -> None:
    """Everything that is still to make, by all processes."""
    _compute_alike(dataset, studio)
    try:
        _draw(dataset, studio, world, ranges, face)
        world.leave()
        if world.leads:
            with progress("packing", dataset.count, studio.output.quiet) as advance:
                dataset.finish(advance)
            data(dataset.path)
    except KeyboardInterrupt:
        if world.leads:
            # The others may still write what they are at.
            there = f"{'about ' if world.size > 1 else ''}{dataset.there():,} of {dataset.count:,}"
            tell(f"Stopped with {there} pictures there; the same command goes on.")
        raise typer.Exit(INTERRUPTED) from None


def _wishes(studio: Studio, generation: Generation, ranges: list[range]) -> dict[str, Any]:
    """What the pictures depend on, by the names of options."""
    origin = studio.generator.origin
    return {
        "model": origin.to_plain(),
        "seeds": ",".join(f"{seeds[0]}-{seeds[-1]}" for seeds in ranges),
        "psi": generation.psi,
        "cutoff": generation.cutoff,
        "class": generation.class_index,
        "size": studio.output.size,
        "format": studio.format,
        "precision": studio.precision,
        "compile": generation.compile,
        "device": studio.generator.device.type,
    }


def _begin(dataset: ShardedDataset, studio: Studio, world: World, wishes: dict[str, Any]) -> None:
    """Looks whether the data set may be written, and whether it was begun before."""
    force, quiet = studio.output.force, studio.output.quiet
    before = unfinished(dataset.path)
    if before is None:
        places.check_sampled(dataset.path, dataset.latents, force)
    elif dataset.is_zip:
        places.check_file(dataset.path, force)
    other = before and difference(before["wishes"], wishes)
    if other and not force:
        raise UsageError(
            f"{dataset.folder} holds an unfinished data set with other options: {other}; give the same ones to go on, "
            "or --force to begin anew"
        )
    if before and not other:
        dataset.begin(before, world.size, anew=False)
        if not quiet:
            tell(f"Going on: {_found(dataset):,} of {dataset.count:,} pictures are there.")
        return
    studio.speed_up(dataset.count)
    arithmetic = {"threads": torch.get_num_threads(), "compiled": studio.is_compiled}
    about = {"wishes": wishes, "arithmetic": arithmetic, "version": __version__, "command": command_line()}
    dataset.begin(about, world.size, anew=True)


def _compute_alike(dataset: ShardedDataset, studio: Studio) -> None:
    """Makes this process compute as the one did that began: how many threads there are, and whether they run compiled
    code, shows in the last bits."""
    arithmetic = dataset.manifest()["arithmetic"]
    torch.set_num_threads(arithmetic["threads"])
    studio.compile = "on" if arithmetic["compiled"] else "off"
    studio.speed_up(dataset.count)
    if studio.is_compiled != arithmetic["compiled"]:
        raise StyleganError(
            f"{dataset.path} was begun with compiled code, which cannot be had here; --force --compile off begins anew"
        )


def _draw(
    dataset: ShardedDataset,
    studio: Studio,
    world: World,
    ranges: list[range],
    face: Callable[[Person, int], Face],
) -> None:
    """Makes this process's share, and waits for the others."""
    todo, found = dataset.todo(world.rank), _found(dataset)
    note = f"({world.size} processes, about)" if world.size > 1 else ""
    with asked_to_stop() as is_asked:
        with ExitStack() as stack:
            add = stack.enter_context(dataset.adding())
            advance = stack.enter_context(progress("sampling", dataset.count, studio.output.quiet))
            background = stack.enter_context(studio.background())

            def write(index: int, done: int, ws: np.ndarray, encoded: bytes) -> None:
                add(index, encoded, ws)
                advance(min(found + done * world.size, dataset.count), note)

            for done, (index, seed) in enumerate(compress(enumerate(chain(*ranges)), todo), start=1):
                person = from_seed(studio.generator, seed, studio.psi)
                image = render(studio.generator, face(person, seed), studio.output.size)
                ws = person.ws[: dataset.shape[0]].numpy()
                background.submit(partial(encode, image, studio.format), partial(write, index, done, ws))
                if is_asked():
                    break
        if is_asked():
            raise KeyboardInterrupt
        _wait(world, is_asked)


def _found(dataset: ShardedDataset) -> int:
    """How many pictures were there as these processes began."""
    return int(dataset.manifest()["runs"][-1]["there"])


def _wait(world: World, is_asked: Callable[[], bool] = lambda: False) -> None:
    """Until all processes are here."""
    try:
        world.wait()
    except LostError:
        if is_asked():
            raise KeyboardInterrupt from None
        if not world.leads:
            raise typer.Exit(1) from None
        raise
