"""Variations: which noise goes where, and G(z + eps)."""

from dataclasses import replace

import numpy as np
import torch

from stylegan_cli.latents.people import Person, from_seed
from stylegan_cli.operations import variation
from stylegan_cli.pictures import WHOLE
from stylegan_cli.tuning import Tuning, whole


def test_noise_goes_to_the_bands_named_and_to_no_others():
    noise = variation.noise_in({"fine", "coarse"}, 7, 1.5)
    assert (noise.mode, noise.seed, noise.coarse, noise.middle, noise.fine) == ("random", 7, 1.5, 0.0, 1.5)


def test_variations_share_latents_and_differ_in_seed(tiny):
    person = from_seed(tiny, 0, 0.7)
    varied = list(variation.with_noise(person, {"fine"}, 1.0, 5, 3))
    assert [one.noise.seed for one in varied] == [5, 6, 7]
    assert all(torch.equal(one.ws, person.ws) for one in varied)


def test_panels_are_the_papers():
    sheet = variation.panels(Person("a", torch.zeros(4, 8)), 0, 1)
    strengths = [(cell.noise.coarse, cell.noise.middle, cell.noise.fine) for cell in sheet.rows[0]]
    assert strengths == [(1, 1, 1), (0, 0, 0), (0, 0, 1), (1, 1, 0)]  # coarse is up to 32 pixels there


def test_panels_show_the_hair_below():
    faces, hair = variation.panels(Person("a", torch.zeros(4, 8)), 0, 1).rows
    assert [cell.noise for cell in hair] == [cell.noise for cell in faces]
    assert {cell.part for cell in faces} == {WHOLE}
    assert {cell.part for cell in hair} == {variation.HAIR}
    assert [cell.caption for cell in hair] == ["all layers", "no noise", "fine only", "coarse, middle"]


def test_jitter_by_nothing_is_the_person(tiny):
    person = from_seed(tiny, 3, 0.5)
    (same,) = variation.jitter(tiny, person, 0.0, 0, 1)
    assert torch.equal(same.ws, person.ws)


def test_jitter_grows_with_eps(tiny):
    person = from_seed(tiny, 3, 0.7)
    near, far = (next(variation.jitter(tiny, person, eps, 0, 1)) for eps in (0.1, 1.0))
    assert 0 < (near.ws - person.ws).norm() < (far.ws - person.ws).norm()


def test_jitter_without_z_moves_w(tiny):
    """As far as others are from the average, times eps; the rest of the person stays."""
    person = replace(from_seed(tiny, 3, 0.7), z=None, tuned=whole(Tuning({}, {}), tiny.num_ws))
    (moved,) = variation.jitter(tiny, person, 0.5, 7, 1)
    z = torch.from_numpy(np.random.default_rng([7]).standard_normal(tiny.z_dim, dtype=np.float32))
    torch.testing.assert_close(moved.ws, person.ws + 0.5 * (tiny.to_w(z[None]) - tiny.w_avg))
    assert (moved.tuned, moved.label) == (person.tuned, "3, variation 7")


def test_who_jitters_is_no_more_the_one_in_the_photo(tiny):
    person = replace(from_seed(tiny, 3, 0.7), z=None, photo={"file": "me.jpg"})
    (moved,) = variation.jitter(tiny, person, 0.5, 7, 1)
    assert moved.photo == {"file": "me.jpg", "edited": True}


def test_every_jitter_goes_its_own_way(tiny):
    """The seed of each counts up from the first one's."""
    person = from_seed(tiny, 3, 0.7)
    several = [moved.ws for moved in variation.jitter(tiny, person, 0.5, 5, 3)]
    alone = [next(variation.jitter(tiny, person, 0.5, seed, 1)).ws for seed in (5, 6, 7)]
    assert all(map(torch.equal, several, alone))
    assert not torch.equal(several[0], several[1]) and not torch.equal(several[1], several[2])


def test_a_heat_map_is_of_the_person_as_tuned():
    tuned = whole(Tuning({}, {}), 4)
    map_ = variation.heatmap(Person("photo", torch.zeros(4, 8), tuned=tuned), {"fine"}, 1.0, 7, 3)
    assert (map_.tuned, map_.count, map_.noise) == (tuned, 3, variation.noise_in({"fine"}, 7, 1))
