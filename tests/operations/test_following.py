"""Following a face: every frame comes closer to the film, and nothing leaps between keys."""

from functools import partial

import numpy as np
import pytest
import small_families
import torch

from stylegan_cli import tuning
from stylegan_cli.media.render import to_pixels
from stylegan_cli.noise import Noise
from stylegan_cli.operations import following
from stylegan_cli.operations.following import Settings, follow

pytestmark = pytest.mark.usefixtures("coarse_features")
FRAMES, KEYS = 9, [0, 4, 8]


@pytest.fixture(scope="module")
def generator():
    return small_families.make("stylegan2")


@pytest.fixture(scope="module")
def moving(generator):
    """`ws` of somebody who changes evenly, and their pictures, which nobody's guess knows."""
    w = generator.to_w(torch.randn(2, 8, generator=torch.Generator().manual_seed(3)))
    shares = torch.linspace(0, 1, FRAMES)[:, None]
    ws = generator.broadcast(w[0].lerp(w[1], shares))
    return ws, [drawn(generator, one) for one in ws]


def drawn(generator, ws, tuned=()):
    with torch.inference_mode():
        return to_pixels(tuning.synthesize(generator, ws[None], Noise(), tuned))[0]


def error(generator, ws, faces, tuned=()):
    """Of each frame."""
    pictures = [drawn(generator, one, tuned).astype(float) for one in ws]
    return np.array([np.abs(one - face).mean() for one, face in zip(pictures, faces, strict=True)])


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(following, "LEAST", 24)


@pytest.fixture
def hardly(monkeypatch):
    """For what does not depend on how much is found."""
    monkeypatch.setattr(following, "LEAST", 6)
    return partial(Settings, searching=1, tuning=1)


def test_all_frames_come_closer(generator, moving, quick):
    """Also those that nobody looked at: half of the average face's difference is found."""
    _, faces = moving
    guesses = generator.w_avg.expand(FRAMES, -1)
    steps = []
    track = follow(generator, guesses, KEYS, [faces[key] for key in KEYS], Settings(), steps.append)
    tuned = tuning.whole(track.tuning, generator.num_ws)
    before, after = (
        error(generator, *some) for some in ((generator.broadcast(guesses), faces), (track.ws, faces, tuned))
    )
    assert (after < 0.6 * before).all()
    assert (len(steps), steps[-1].done, steps[-1].total) == (48, 48, 48)
    assert track.tuning.weights and not track.tuning.noise


def test_what_the_guess_sees_stays(generator, moving, hardly, monkeypatch):
    """Between keys, frames move as the encoder sees them."""
    monkeypatch.setattr(following, "RATE", 1e-9)  # nothing is found
    ws, faces = moving
    track = follow(generator, ws[:, 0], KEYS, [faces[key] for key in KEYS], hardly())
    assert torch.allclose(track.ws[1:-1], ws[1:-1], atol=0.15 * float(ws.std()))
    whole = follow(generator, ws, KEYS, [faces[key] for key in KEYS], hardly())
    assert torch.equal(whole.ws, track.ws)


def test_flicker_of_guesses_goes(generator, hardly, monkeypatch):
    monkeypatch.setattr(following, "RATE", 1e-9)
    w = generator.to_w(torch.randn(1, 8)).repeat(FRAMES, 1)
    trembling = w + 0.1 * torch.tensor([-1.0, 1.0]).repeat(FRAMES)[:FRAMES, None]
    faces = [drawn(generator, one) for one in generator.broadcast(w[:3])]
    track = follow(generator, trembling, KEYS, faces, hardly())
    assert float(track.ws[1:-1].diff(dim=0).abs().max()) < 0.2 * float(trembling.diff(dim=0).abs().max())


def test_from_key_to_key_it_changes_evenly(generator, quick):
    """What is found for one key goes over into what is found for the next."""
    w = generator.w_avg.expand(FRAMES, -1)
    others = generator.broadcast(generator.to_w(torch.randn(3, 8, generator=torch.Generator().manual_seed(1))))
    track = follow(generator, w, KEYS, [drawn(generator, one) for one in others], Settings())
    moving = following._Moving(generator, w, KEYS)
    coordinates = moving.space.coordinates(track.ws)
    assert not torch.allclose(coordinates[0], coordinates[4], atol=0.1)
    assert torch.allclose(coordinates[2], coordinates[0].lerp(coordinates[4], 0.5), atol=1e-3)
    assert torch.allclose(coordinates[7], coordinates[4].lerp(coordinates[8], 0.75), atol=1e-3)


def test_the_same_again(generator, moving, hardly):
    _, faces = moving
    arguments = generator, generator.w_avg.expand(FRAMES, -1), KEYS, [faces[key] for key in KEYS]
    first, again, other = (follow(*arguments, hardly(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first.ws, again.ws) and first.tuning.digest == again.tuning.digest
    assert not torch.equal(first.ws, other.ws)


def test_a_single_frame(generator, moving, quick):
    _, faces = moving
    track = follow(generator, generator.w_avg[None], [0], faces[:1], Settings())
    assert track.ws.shape == (1, generator.num_ws, generator.w_dim)
    tuned = tuning.whole(track.tuning, generator.num_ws)
    average = error(generator, generator.broadcast(generator.w_avg[None]), faces[:1])
    assert error(generator, track.ws, faces[:1], tuned) < 0.6 * average
