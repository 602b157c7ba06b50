"""Finding directions: from the network's weights, from the distribution of `w`, and from the scores of faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.operations.editing import free_of

# With a few thousand samples the covariance of 512 dimensions is nearly singular: before inversion, this fraction of
# its mean variance is added to the diagonal.
SHRINKAGE = 0.1
LOT = 10_000  # people sampled at a time, so that memory does not grow with their number
VISIBLE = 0.25  # of the effect that a fitted response promises: a measured one below this may be chance
HELD_OUT = 5  # every fifth sample, in the order of the scores, is held out

# The scores of the person with `w` `[w_dim]` plus `by` `[w_dim]`; NaN if a scorer sees no face.
Judge = Callable[[Tensor, Tensor], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Fit:
    """Scores as linear functions of `w`. `responses` are their gradients `[w_dim]`, in standard deviations of a score.
    `accuracy` (above or below the median) and `explained` (R squared) are for held-out samples.

    A gradient g, the normal of InterFaceGAN's boundary, points where the score changes fastest, and so soon leaves the
    region of realistic faces; the difference between the means of people with high and low scores, C g with C the
    covariance of `w`, stays in that region but changes everything that correlates with the score. `ways` are in
    between: the root of C times g.
    """

    responses: Mapping[str, Tensor]
    ways: Mapping[str, Tensor]
    accuracy: Mapping[str, float]
    explained: Mapping[str, float]

    def direction(self, target: str, kept: Sequence[str], leaks: Mapping[str, float]) -> Tensor:
        """The unit vector `[w_dim]` along the `ways` of the score `target`, without what changes the `kept` scores.
        `leaks` are measured changes of those, as fractions of the target's, beyond what the responses predict: the
        vector compensates for them."""
        vector = self.ways[target]
        if kept:
            own = self.responses[target]
            seen = torch.stack([self.responses[name] + leaks.get(name, 0.0) * own for name in kept])
            vector = free_of(vector, seen, torch.stack([self.ways[name] for name in kept]))
        return (vector / vector.norm()).float()


def check(w: Tensor, scores: Mapping[str, Tensor]) -> None:
    """Raises StyleganError if scores `[n]` of `w` `[n, w_dim]` are too few to fit, or do not differ, or if all samples
    are the same person."""
    if bool((w == w[:1]).all()):
        raise StyleganError("all these people have the same latents; give different ones")
    for name, score in scores.items():
        y = score[score.isfinite()]
        if len(y) < 2 * HELD_OUT:
            raise StyleganError(
                f"{name} has {len(y)} scores in these samples, too few to learn from; give more samples"
            )
        held_out = _held_out(y)
        if any(len(part.unique()) == 1 for part in (y[held_out], y[~held_out])):
            alike = "all" if len(y.unique()) == 1 else "almost all"
            raise StyleganError(
                f"{name} has {len(y)} scores in these samples, but {alike} of them are the same; give samples that "
                "differ in it"
            )


def _held_out(y: Tensor) -> Tensor:
    """Which samples are held out, `[n]` bool: every fifth in the order of their scores, so that of two classes there
    are some of both."""
    held_out = torch.zeros(len(y), dtype=torch.bool)
    held_out[y.argsort(stable=True)[HELD_OUT // 2 :: HELD_OUT]] = True
    return held_out


def fit(w: Tensor, scores: Mapping[str, Tensor]) -> Fit:
    """Fits scores `[n]` by ridge regression on `w` `[n, w_dim]`, with every fifth sample held out. Raises StyleganError
    as `check` does."""
    check(w, scores)
    responses, ways, accuracy, explained = {}, {}, {}, {}
    for name, score in scores.items():
        known = score.isfinite()
        x, y = w[known].double(), score[known].double()
        held_out = _held_out(y)
        y = (y - y.mean()) / y.std()
        mean = x[~held_out].mean(dim=0)
        covariance = torch.cov(x[~held_out].T)
        covariance += SHRINKAGE * covariance.diagonal().mean() * torch.eye(len(covariance))
        together = (x[~held_out] - mean).T @ y[~held_out] / int((~held_out).sum())
        variances, axes = torch.linalg.eigh(covariance)
        responses[name] = axes @ (axes.T @ together / variances)
        ways[name] = axes @ (axes.T @ together / variances.sqrt())
        predicted, truth = (x[held_out] - mean) @ responses[name], y[held_out]
        middle = y.median() if len(y.unique()) > 2 else (y.min() + y.max()) / 2
        accuracy[name] = float(((predicted > middle) == (truth > middle)).double().mean())
        explained[name] = 1 - float((truth - predicted).square().mean() / truth.var(correction=0))
    return Fit(responses, ways, accuracy, explained)


@dataclass(frozen=True)
class Effect:
    """The mean change of each score, in its standard deviations: `ahead` by a movement from the people as they are,
    `behind` on the way to them from the opposite movement's end. If a score changes evenly, both are equal."""

    ahead: Mapping[str, float]
    behind: Mapping[str, float]


def measure(
    judge: Judge, people: Tensor, here: Sequence[Mapping[str, float]], step: Tensor, unit: Mapping[str, float]
) -> Effect:
    """The effect of the movement `step` `[w_dim]` on `people` `[n, w_dim]`, whose scores are `here`, in `unit`s of the
    scores. People in whom a scorer does not see a face at all three places do not count; a score without any people is
    left out."""
    triples = [(judge(w, -step), now, judge(w, step)) for w, now in zip(people, here, strict=True)]
    ahead, behind = {}, {}
    for name, size in unit.items():
        scores = torch.tensor([[place[name] for place in three] for three in triples]) / size  # [n, 3]
        seen = scores[scores.isfinite().all(dim=1)]
        if len(seen):
            before, now, after = seen.mean(dim=0).tolist()
            ahead[name], behind[name] = after - now, now - before
    return Effect(ahead, behind)


def refine(
    fitted: Fit,
    target: str,
    kept: Sequence[str],
    amount: float,
    rounds: int,
    measured: Callable[[Tensor], Effect],
) -> tuple[Tensor, Effect]:
    """The direction `[w_dim]` that changes the score `target` but not the `kept` ones, and what `amount` of it does.

    Linear responses do not hold over the length of an edit: so the movement's real effect is `measured`, and
    compensated for, `rounds` times. If a kept score changes in the same way on both sides, no straight line can correct
    that; the mean of both sides is compensated. Where no scorer sees the target, or sees hardly a change of it, which
    may be chance, the fitted response is used instead; kept scores that were not measured count as unchanged.
    """
    leaks = dict.fromkeys(kept, 0.0)
    vector = fitted.direction(target, kept, leaks)
    moved = measured(amount * vector)
    for _ in range(rounds if kept else 0):
        own = amount * float(vector.double() @ fitted.responses[target])
        sides = [(side, _effect(side.get(target), own)) for side in (moved.ahead, moved.behind)]
        leaks = {name: leak + sum(side.get(name, 0.0) / own for side, own in sides) / 2 for name, leak in leaks.items()}
        vector = fitted.direction(target, kept, leaks)
        moved = measured(amount * vector)
    return vector, moved


def _effect(measured: float | None, fitted: float) -> float:
    """The effect on the target that leaks are compared with: the measured one, if it is in proportion."""
    return measured if measured is not None and measured * fitted >= VISIBLE * fitted**2 else fitted


def sefa(generator: Generator, layers: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
    """The `count` unit vectors `[count, w_dim]` that change the styles of `layers` most, and by how much (`[count]`):
    eigenvectors of the weights' Gram matrix (SeFa, Shen and Zhou 2021, arXiv:2007.06600, equation 7). Raises
    StyleganError if the layers drive nothing, UsageError if there are fewer directions."""
    weights = generator.style_weights()
    stacked = torch.cat([weights[layer] for layer in layers]).cpu().double()
    if len(stacked) == 0:
        raise StyleganError("these layers have no effect in this model; choose others with --layers")
    _check_count(count, generator.w_dim)
    vectors, powers = _leading(stacked.T @ stacked, count)
    return vectors, powers.clamp(min=0).sqrt()


def pca(generator: Generator, samples: int, count: int) -> tuple[Tensor, Tensor]:
    """The unit vectors `[count, w_dim]` along which `w` varies most, and its standard deviation `[count]` along them
    (GANSpace, Harkonen et al. 2020, arXiv:2004.02546, section 2.1). Raises UsageError if there are fewer directions."""
    _check_count(count, min(generator.w_dim, samples - 1))
    random, total = np.random.default_rng(0), torch.zeros(generator.w_dim, dtype=torch.double)
    products = torch.zeros(generator.w_dim, generator.w_dim, dtype=torch.double)
    for first in range(0, samples, LOT):
        z = random.standard_normal((min(LOT, samples - first), generator.z_dim), dtype=np.float32)
        with torch.inference_mode():
            w = generator.to_w(torch.from_numpy(z).to(generator.device)).cpu().double()
        total += w.sum(dim=0)
        products += w.T @ w
    covariance = (products - total.outer(total) / samples) / (samples - 1)
    vectors, variances = _leading(covariance, count)
    return vectors, variances.clamp(min=0).sqrt()


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise UsageError(f"--count {count}: there are at most {most} directions here")


def _leading(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The eigenvectors `[count, d]` of the largest eigenvalues, and these eigenvalues `[count]`. An eigenvector's sign
    has no meaning: its largest number is made positive, so that it is the same everywhere."""
    values, vectors = torch.linalg.eigh(matrix)
    leading = vectors.T.flip(0)[:count]
    largest = leading.gather(1, leading.abs().argmax(dim=1, keepdim=True))
    return (leading * largest.sign()).float(), values.flip(0)[:count]
