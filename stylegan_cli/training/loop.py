"""The training loop of StyleGAN 1, 2 and 3: every batch goes through up to four phases.

The phases are the generator, its path-length regularisation, the discriminator, its R1 regularisation; regularisation
is done only every few steps, with as many times the weight (StyleGAN2, appendix B). During `warmup_kimg` the generator
rests: neither it nor its average changes. A batch consists of parts that go through the networks one by one; each has
its own random numbers, so that it does not matter which process computes which part.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from stylegan_cli.architectures.stylegan3 import StyleGAN3
from stylegan_cli.errors import StyleganError
from stylegan_cli.parallel import World
from stylegan_cli.training import losses
from stylegan_cli.training.arithmetic import arithmetic
from stylegan_cli.training.augment import augment, blurred, steered
from stylegan_cli.training.data import Batch, DamagedError, Loader
from stylegan_cli.training.options import REG_INTERVALS, Options
from stylegan_cli.training.randomness import seed_everything
from stylegan_cli.training.schedule import ByResolution, faded
from stylegan_cli.training.state import WAY_OUT, State, lazy_share

PATH_DECAY = 0.01  # of the running mean of path lengths
ADA_INTERVAL = 4  # steps between two changes of the augmentation's probability
# Values that are averaged over pictures, and logged.
MEASURED = ("loss_g", "loss_d", "score_real", "score_fake", "sign_real", "r1", "path_length")
REGULARISERS = ("r1", "path_length")
SMALLEST_SCALE = 2.0**-10  # of float16's gradients (initially 2^10): if they overflow even so, they are useless


@dataclass(frozen=True)
class Pace:
    """Train until `kimg` thousand pictures; log a line every `tick` kimg, and write a snapshot every `snap` ticks."""

    kimg: float
    tick: float = 4.0
    snap: int = 10

    def snapshots(self, done: float) -> int:
        """How many snapshots there will be after `done` kimg."""
        span = self.tick * self.snap
        return math.ceil(self.kimg / span) - math.floor(done / span) if done < self.kimg else 0


@dataclass(frozen=True)
class Tick:
    """How training went since the last tick. `means` are those of MEASURED that were computed; `glr` and `dlr` are the
    learning rates of its last step, as the user gave them; `path_mean` is the running mean of path lengths, None
    without their regularisation; `wait` is the fraction of time spent waiting for the loader; `memory` is the peak so
    far, in MB."""

    nimg: int
    seconds: float
    images_per_second: float
    lod: float
    resolution: int
    batch: int
    glr: float
    dlr: float
    p: float
    path_mean: float | None
    wait: float
    memory: float
    means: dict[str, float]

    @property
    def kimg(self) -> float:
        return self.nimg / 1000


@dataclass(frozen=True)
class Moment:
    """Settings at some point of a run: the doublings that the networks lack, the newest resolution, the number of
    pictures in a batch and in each of its parts."""

    lod: float
    resolution: int
    batch: int
    micro_batch: int

    @staticmethod
    def of(options: Options, nimg: int) -> Moment:
        growth = options.growth
        resolution = growth.resolution(lod := growth.lod(nimg / 1000))
        return Moment(lod, resolution, options.batch_at(resolution), options.micro_batch_at(resolution))

    @property
    def parts(self) -> int:
        return self.batch // self.micro_batch


class Trainer:
    """Trains a `state` step by step on the pictures of a `loader`."""

    def __init__(self, options: Options, state: State, loader: Loader, world: World, device: torch.device) -> None:
        self.options, self.state, self.loader, self.world, self.device = options, state, loader, world, device
        self.sums = torch.zeros(len(MEASURED), 2)  # of the last step, over all processes: sums and counts
        self.asked_to_stop = False
        self.rates = {"g": ByResolution.parse(options.glr), "d": ByResolution.parse(options.dlr)}
        self._shares = {"g": lazy_share(options.g_interval), "d": lazy_share(REG_INTERVALS["d"])}
        self._gamma = ByResolution.parse(options.gamma)
        self._now = Moment.of(options, state.progress.nimg)
        self._reals: list[Batch] = []
        self._noted = torch.zeros(len(MEASURED) + 1, 2, device=device)
        self._squares = torch.zeros(len(state.generator.layers) - 1, device=device)  # of what StyleGAN3's layers get
        classes = loader.pictures.classes
        self._classes = None if classes is None else torch.from_numpy(classes).to(device)

    def step(self, stop: bool = False) -> None:
        """Trains on one batch. Afterwards `asked_to_stop` says whether any process was called with `stop`.

        Raises `DamagedError` in all processes, before anything has changed, if one cannot read a picture.
        """
        options, progress = self.options, self.state.progress
        now = self._now = Moment.of(options, progress.nimg)
        if options.cfg == "stylegan1":
            # When a resolution is added, Adam keeps its moments, and only new layers start without any. NVIDIA's
            # StyleGAN and ProGAN reset those of all layers (`reset_opt_for_new_lod`).
            self.state.set_lod(now.lod)
        with self.world.together():
            real = self.loader.take(self._positions(progress.nimg), self.device)
        self.loader.start(self._positions(progress.nimg + now.batch))
        self._reals = [self._part(real, i) for i in range(len(self.world.share(now.parts)))]
        self._noted.zero_()
        self._noted[-1, 0] = float(stop)
        self._squares.zero_()

        rests = progress.kimg < options.warmup_kimg
        with arithmetic(options.precision, self.device):
            self._phases(rests)
        progress.step += 1
        progress.nimg += now.batch
        if not rests:  # else the average of a resumed model would become the generator that it was better than
            self._follow(now.batch)
        self._take_stock()

    def _phases(self, rests: bool) -> None:
        step = self.state.progress.step
        if not rests:
            self._learn("g", "main", self._generator_loss)
            if self.options.pl_weight and step % REG_INTERVALS["g"] == 0:
                self._learn("g", "reg", self._path_length_regularisation)
        self._learn("d", "main", self._discriminator_loss)
        if step % REG_INTERVALS["d"] == 0:
            self._learn("d", "reg", self._r1_regularisation)

    def _learn(self, who: str, phase: str, losses_of: Callable[[int], Iterable[Tensor]]) -> None:
        """One step of the generator's or the discriminator's optimiser, on the mean of the losses of all parts.
        `losses_of` yields those of a part one by one: each is differentiated, and its feature maps are gone, before the
        next is computed. Random numbers depend on `who` and `phase`: changing these names would change existing
        runs."""
        state, now = self.state, self._now
        adam, other = (state.g_adam, state.discriminator) if who == "g" else (state.d_adam, state.generator)
        (group,) = adam.param_groups
        group["lr"] = self.rates[who].at(now.resolution) * self._shares[who]
        other.requires_grad_(False)
        for parameter in group["params"]:
            parameter.requires_grad_(True)
        adam.zero_grad(set_to_none=True)
        for i, part in enumerate(self.world.share(now.parts)):
            seed_everything(self.options.seed, state.progress.step, who, phase, part)
            for loss in losses_of(i):
                state.scaler.scale(loss.mean() / now.parts).backward()
        self.world.add_gradients(group["params"])
        state.scaler.step(adam)
        state.scaler.update()

    def _generator_loss(self, _i: int) -> Iterator[Tensor]:
        """The generator's loss."""
        images, _, c = self._fakes(self._now.micro_batch)
        loss = losses.loss_if_real(self._scores(images, c))
        self._note("loss_g", loss)
        yield loss

    def _path_length_regularisation(self, _i: int) -> Iterator[Tensor]:
        """Path-length regularisation, on half of the pictures, because it needs much memory."""
        images, ws, _ = self._fakes(max(self._now.micro_batch // 2, 1))
        lengths = losses.path_lengths(images, ws, torch.randn_like(images), self._active)
        self._note("path_length", lengths)
        mean = lengths.mean() * PATH_DECAY + self.state.progress.path_mean * (1 - PATH_DECAY)
        yield losses.path_penalty(lengths, mean) * (self.options.pl_weight * REG_INTERVALS["g"])

    def _discriminator_loss(self, i: int) -> Iterator[Tensor]:
        """The discriminator's loss, on generated pictures and on real ones."""
        real = self._reals[i]
        with torch.no_grad(), self._measuring():
            images, _, c = self._fakes(len(real.images))
        scores = self._scores(images, c)
        fake_loss = losses.loss_if_fake(scores)
        self._note("score_fake", scores)
        yield fake_loss
        scores = self._scores(real.images, real.labels)
        real_loss = losses.loss_if_real(scores)
        self._note("score_real", scores)
        self._note("sign_real", scores.sign())
        self._note("loss_d", real_loss.detach() + fake_loss.detach())
        yield real_loss

    def _r1_regularisation(self, i: int) -> Iterator[Tensor]:
        """R1 regularisation. The gradient goes through the augmentations to the original pictures."""
        real = self._reals[i]
        images = real.images.detach().requires_grad_(True)
        penalty = losses.r1_penalty(self._scores(images, real.labels), images)
        self._note("r1", penalty)
        yield penalty * (self._gamma.at(self._now.resolution) / 2 * REG_INTERVALS["d"])

    def _fakes(self, n: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """`n` generated pictures, their styles, and their classes, which are drawn as frequently as in the data."""
        generator = self.state.generator
        c = None
        if self._classes is not None:
            chosen = self._classes[torch.randint(len(self._classes), (n,), device=self.device)]
            c = generator.one_hot(chosen)
        z = torch.randn(2 * n, generator.z_dim, device=self.device)
        w = generator.to_w(z, None if c is None else c.repeat(2, 1))
        ws, other = generator.broadcast(w).chunk(2)
        ws = losses.mixed_styles(ws, other, self.options.mixing, self._active)
        return generator.synthesize(ws, noise=None), ws, c

    @property
    def _active(self) -> int:
        """How many layers the generator uses at its current resolution."""
        return sum(layer.resolution <= self._now.resolution for layer in self.state.generator.layers)

    def _scores(self, images: Tensor, c: Tensor | None) -> Tensor:
        options, progress = self.options, self.state.progress
        images = blurred(images, options.blur_at(progress.kimg))
        return self.state.discriminator(augment(images, progress.p, options.augpipe), c)

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """Notes what a StyleGAN3's layers get within the block, where a part of the batch is drawn."""
        generator = self.state.generator
        if not isinstance(generator, StyleGAN3):
            yield
            return
        with generator.measuring() as squares:
            yield
        self._squares += torch.stack(squares) / self._now.parts

    def _note(self, name: str, values: Tensor) -> None:
        """Adds to the averages. Values of a regulariser that overflowed float16 are left out, just as the scaler will
        skip their step."""
        values = values.detach()
        counted = torch.ones_like(values, dtype=torch.bool)
        if name in REGULARISERS and self.state.scaler.is_enabled():
            counted = values.isfinite()
        row = self._noted[MEASURED.index(name)]
        row[0] += values.where(counted, 0.0).sum()
        row[1] += counted.sum()

    @torch.no_grad()
    def _follow(self, batch: int) -> None:
        """Updates the running average of the generator, with a half-life of `ema_kimg`, shorter at the beginning; and
        the averages that are part of a StyleGAN3."""
        span = self.options.ema_kimg * 1000
        if self.options.ema_rampup is not None:
            span = min(span, self.state.progress.nimg * self.options.ema_rampup)
        keep = 0.5 ** (batch / max(span, 1e-8))
        average, newest = (tuple(network.parameters()) for network in (self.state.average, self.state.generator))
        torch._foreach_lerp_(average, newest, 1 - keep)  # on GPUs one launch for many tensors
        if isinstance(self.state.generator, StyleGAN3):
            squares = self.world.add(self._squares)
            for network in (self.state.generator, self.state.average):
                cast(StyleGAN3, network).follow(squares)

    def _take_stock(self) -> None:
        """Gathers what all processes measured in this step, and acts on it."""
        noted, progress = self.world.add(self._noted).cpu(), self.state.progress
        self.asked_to_stop = bool(noted[-1, 0])
        self.sums = noted[:-1].clone()  # on a CPU it would be the next step's, too
        if not self.sums.isfinite().all():
            raise StyleganError(f"the losses are not finite after {progress.kimg:.1f} kimg; {WAY_OUT}")
        if self.state.scaler.get_scale() < SMALLEST_SCALE:
            raise StyleganError(
                f"float16 cannot hold the gradients after {progress.kimg:.1f} kimg; try --precision fp32, or {WAY_OUT}"
            )
        means = means_of(self.sums)
        if "path_length" in means:
            progress.path_mean += PATH_DECAY * (means["path_length"] - progress.path_mean)
        # While the generator rests, the discriminator wins without knowing any picture by heart.
        if self.options.aug != "ada" or progress.kimg < self.options.warmup_kimg:
            return
        signs, seen = self.sums[MEASURED.index("sign_real")].tolist()
        progress.signs, progress.seen = progress.signs + signs, progress.seen + seen
        if progress.step % ADA_INTERVAL == 0:
            r_t = progress.signs / progress.seen
            progress.p = steered(progress.p, r_t, self.options.target, progress.seen / 1000, self.options.ada_kimg)
            progress.signs = progress.seen = 0.0

    def _positions(self, nimg: int) -> list[int]:
        """The positions, in the order of all pictures, of this process's share of the batch that comes after `nimg`."""
        moment = Moment.of(self.options, nimg)
        size = moment.micro_batch
        return [nimg + i * size + j for i in self.world.share(moment.parts) for j in range(size)]

    def _part(self, batch: Batch, i: int) -> Batch:
        chosen = slice(i * self._now.micro_batch, (i + 1) * self._now.micro_batch)
        images = faded(batch.images[chosen], self._now.lod)
        return Batch(images, None if batch.labels is None else batch.labels[chosen])


def train(
    trainer: Trainer,
    pace: Pace,
    on_tick: Callable[[Tick], None],
    on_snapshot: Callable[[], None],
    stopping: Callable[[], bool],
    on_step: Callable[[], None],
) -> bool:
    """Trains until `pace.kimg`, or until some process is `stopping`: then it returns False, even in the last step.

    `on_step` and `on_tick` are called in every process, `on_snapshot` only in the leader: also at the end, on stopping,
    and before the error if a picture is damaged.
    """
    progress, world = trainer.state.progress, trainer.world
    tick = round(pace.tick * 1000)
    clock = Clock(trainer)

    def snapshot() -> None:
        with world.together():
            if world.leads:
                on_snapshot()

    while progress.kimg < pace.kimg:
        before = progress.nimg
        try:
            trainer.step(stopping())
        except DamagedError:
            snapshot()
            raise
        on_step()
        clock.sums += trainer.sums
        is_over = trainer.asked_to_stop or progress.kimg >= pace.kimg
        if is_over or before // tick != progress.nimg // tick:
            on_tick(clock.tick(Moment.of(trainer.options, before)))
            if is_over or before // (tick * pace.snap) != progress.nimg // (tick * pace.snap):
                snapshot()
            clock = Clock(trainer)  # the time for a snapshot does not count as training
        if trainer.asked_to_stop:
            return False
    return True


class Clock:
    """Measures what happened since the last tick."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._nimg, self._waited = trainer, trainer.state.progress.nimg, trainer.loader.waited
        self._began, self.sums = time.perf_counter(), torch.zeros(len(MEASURED), 2)

    def tick(self, moment: Moment) -> Tick:
        trainer, seconds = self._trainer, time.perf_counter() - self._began
        progress = trainer.state.progress
        return Tick(
            nimg=progress.nimg,
            seconds=seconds,
            images_per_second=(progress.nimg - self._nimg) / seconds,
            lod=moment.lod,
            resolution=moment.resolution,
            batch=moment.batch,
            glr=trainer.rates["g"].at(moment.resolution),
            dlr=trainer.rates["d"].at(moment.resolution),
            p=progress.p,
            path_mean=progress.path_mean if trainer.options.pl_weight else None,
            wait=(trainer.loader.waited - self._waited) / seconds,
            memory=memory(trainer.device),
            means=means_of(self.sums),
        )


def means_of(sums: Tensor) -> dict[str, float]:
    """The means of what is MEASURED, by name, from sums and counts `[len(MEASURED), 2]`; only of what was measured."""
    return {name: total / count for name, (total, count) in zip(MEASURED, sums.tolist(), strict=True) if count}


def memory(device: torch.device) -> float:
    """The peak memory so far, in MB; 0 if it is not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
