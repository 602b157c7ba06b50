"""Films to music, as sequences of latents."""

from dataclasses import replace

import numpy as np
import pytest
import small_families
import torch

from stylegan_cli.bands import BANDS
from stylegan_cli.latents.people import from_seed
from stylegan_cli.latents.selection import in_bands
from stylegan_cli.noise import Noise
from stylegan_cli.operations.dancing import Danced, partner
from stylegan_cli.operations.interpolation import Circle, Film, Moved, Track, Wall
from stylegan_cli.operations.music import Music

SPEEDS = np.array([1.0, 3, 2, 2, 1, 1])


@pytest.fixture
def people(tiny):
    return tuple(from_seed(tiny, seed, 0.7) for seed in (1, 2, 3))


def danced(tiny, people, beats=None, loop=False, pulse=0.5, indices=None):
    """A film that beats of a band push in frame 2."""
    pulses = np.zeros((len(SPEEDS), len(BANDS)))
    if beats:
        pulses[2, BANDS.index(beats)] = 1
    indices = tuple(range(tiny.num_ws)) if indices is None else indices
    film = Film(tiny, people[0], (Track(indices, people),), 1, loop=loop)
    return Danced(film, Music(pulses, SPEEDS), from_seed(tiny, 9, 0.7), pulse)


@pytest.mark.parametrize("loop", [False, True])
def test_people_are_where_the_music_brings_them(tiny, people, loop):
    a, b, c = people
    faces = list(danced(tiny, people, loop=loop))
    assert len(faces) == 6
    assert torch.equal(faces[0].ws, a.ws)
    if loop:  # of a way of ten, in three parts
        torch.testing.assert_close(faces[1].ws, torch.lerp(a.ws, b.ws, 0.3))
        torch.testing.assert_close(faces[-1].ws, torch.lerp(c.ws, a.ws, 0.7))
    else:
        torch.testing.assert_close(faces[2].ws, torch.lerp(a.ws, b.ws, 8 / 9))
        assert torch.equal(faces[-1].ws, c.ws)


@pytest.mark.parametrize("band", BANDS)
def test_a_beat_pushes_the_layers_of_its_band(tiny, people, band):
    still, pushed = danced(tiny, people), danced(tiny, people, beats=band)
    other = from_seed(tiny, 9, 0.7)
    for i, (before, after) in enumerate(zip(still, pushed, strict=True)):
        expected = before.ws.clone()
        if i == 2:
            layers = list(in_bands(tiny.layers, (band,)))
            expected[layers] = before.ws[layers].lerp(other.ws[layers], 0.5)
        assert torch.equal(after.ws, expected)


def test_only_layers_that_move_are_pushed(tiny, people):
    coarse = in_bands(tiny.layers, ("coarse",))
    for beats in ("coarse", "fine"):
        faces = list(danced(tiny, people, beats, indices=coarse[:2]))
        assert all(torch.equal(face.ws[2:], people[0].ws[2:]) for face in faces)
    assert torch.equal(faces[2].ws, danced(tiny, people, indices=coarse[:2]).face(2).ws)


def test_without_a_pulse_only_the_way_is_danced(tiny, people):
    pairs = zip(danced(tiny, people, "fine", pulse=0), danced(tiny, people), strict=True)
    assert all(torch.equal(one.ws, other.ws) for one, other in pairs)


def test_the_noise_is_that_of_the_first(tiny, people):
    noisy = (replace(people[0], noise=Noise("random", 3)), *people[1:])
    assert {face.noise for face in danced(tiny, noisy, "coarse")} == {Noise("random", 3)}


def test_circles_dance_and_films_move_and_stand_side_by_side(tiny, people):
    a, b, _ = people
    circle = Circle(tiny, a, (a, b), tuple(range(tiny.num_ws)), 60)
    film = Danced(circle, Music(np.zeros((4, 3)), np.array([1.0, 1, 1, 1])), b, 0.5)
    assert [torch.equal(film.face(i).ws, circle.face(15 * i).ws) for i in range(4)] == [True] * 4
    assert [face.rotate for face in Moved(film, ((0, 0), (0, 0)), (0, 360))] == [0, 90, 180, 270]
    assert [len(sheet.rows[0]) for sheet in Wall((film, film), 2)] == [2] * 4


def test_partners_are_far_from_the_average_and_chosen_by_a_seed(tiny):
    far = [(partner(tiny, seed, 0.7).ws - tiny.w_avg).norm().item() for seed in range(5)]
    usual = [(from_seed(tiny, seed, 0.7).ws - tiny.w_avg).norm().item() for seed in range(20)]
    assert min(far) > sorted(usual)[10] and len(set(far)) == 5
    assert torch.equal(partner(tiny, 3, 0.7).ws, partner(tiny, 3, 0.7).ws)


@pytest.mark.parametrize("chosen", [None, 1])
def test_films_of_latents_need_no_class_to_dance(chosen):
    generator = small_families.make("stylegan2", c_dim=3)
    if chosen is not None:
        generator.choose_class(chosen)
    assert partner(generator, 0, 0.7).ws.shape == (generator.num_ws, generator.w_dim)
