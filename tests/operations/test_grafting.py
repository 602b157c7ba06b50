"""Grafting: parts become like those of the giver, and the rest stays."""

from dataclasses import replace

import pytest
import torch
from small_families import CONFIGS, make
from test_tuning import make_tuning

from stylegan_cli import tuning
from stylegan_cli.latents.people import Person, from_seed
from stylegan_cli.noise import Noise
from stylegan_cli.operations import grafting
from stylegan_cli.operations.grafting import PARTS, graft, mask
from stylegan_cli.operations.movable import maps_of


def differences(generator, one, other, place):
    maps = [maps_of(generator, who, who.ws[None]) for who in (one, other)]
    return float(((maps[0] - maps[1]).square().sum(dim=1) * place).sum() / place.sum())


@pytest.mark.parametrize("part", PARTS)
def test_a_part_becomes_like_the_givers_and_the_rest_stays(ffhq, part):
    jon, dany = from_seed(ffhq, 1, 0.7), from_seed(ffhq, 2, 0.7)
    taken = []
    with_hers = graft(ffhq, jon, {part: dany}, lambda: taken.append(1))
    place = mask(part, maps_of(ffhq, jon, jon.ws[None]))
    before, after = (differences(ffhq, who, dany, place) for who in (jon, with_hers))
    assert after < 0.5 * before
    assert differences(ffhq, with_hers, jon, 1 - place) < 0.5 * differences(ffhq, dany, jon, 1 - place)
    fine = [layer.index for layer in ffhq.layers if layer.resolution > 64]
    assert torch.equal(with_hers.ws[fine], jon.ws[fine])
    assert (with_hers.label, len(taken)) == (f"1 with 2's {part}", grafting.STEPS)


def test_several_parts_of_several_people(ffhq):
    one, two, three = (from_seed(ffhq, seed, 0.7) for seed in (1, 2, 3))
    mixed = graft(ffhq, one, {"eyes": two, "hair": three})
    maps = maps_of(ffhq, one, one.ws[None])
    for part, giver in (("eyes", two), ("hair", three)):
        place = mask(part, maps)
        assert differences(ffhq, mixed, giver, place) < 0.6 * differences(ffhq, one, giver, place)
    assert mixed.label == "1 with 2's eyes and 3's hair"


def test_ones_own_parts_stay_as_they_are(tiny):
    one, two = from_seed(tiny, 1, 0.7), from_seed(tiny, 2, 0.7)
    taken = []
    assert graft(tiny, one, {"mouth": from_seed(tiny, 1, 0.7), "hair": one}, lambda: taken.append(1)) is one
    assert not taken
    some, only = graft(tiny, one, {"mouth": one, "eyes": two}), graft(tiny, one, {"eyes": two})
    assert torch.equal(some.ws, only.ws) and some.label == only.label == "1 with 2's eyes"
    varied = replace(one, noise=Noise("random", 3))
    assert not torch.equal(graft(tiny, one, {"mouth": varied}).ws, one.ws)  # another's noise makes another mouth


def test_parts_are_where_they_are_in_aligned_faces():
    maps = torch.zeros(1, 1, 64, 64)
    eyes, nose, mouth, hair = (mask(part, maps) for part in PARTS)
    places = {
        "left eye": (30, 24),
        "right eye": (30, 40),
        "nose": (38, 32),
        "mouth": (49, 32),
        "above": (8, 32),
        "side": (56, 6),
    }
    found = {name: [float(part[at]) > 0.5 for part in (eyes, nose, mouth, hair)] for name, at in places.items()}
    assert found == {
        "left eye": [True, False, False, False],
        "right eye": [True, False, False, False],
        "nose": [False, True, False, False],
        "mouth": [False, False, True, False],
        "above": [False, False, False, True],
        "side": [False, False, False, True],
    }
    assert float(hair[60, 32]) < 0.1  # the neck
    for part in (eyes, nose, mouth, hair):
        assert torch.allclose(part, part.flip(1), atol=1e-5)


def test_everybody_has_their_own_noise_and_tuning(tiny):
    """They are part of what the giver's part looks like; afterwards, the receiver has theirs as before."""
    one = from_seed(tiny, 1, 0.7)
    tuned = Person("me", one.ws, tuned=tuning.whole(make_tuning(tiny), tiny.num_ws), photo={"file": "me.jpg"})
    plain, other = (
        graft(tiny, tuned, {"eyes": from_seed(tiny, 2, 0.7)}),
        graft(tiny, from_seed(tiny, 2, 0.7), {"eyes": tuned}),
    )
    assert plain.tuned == tuned.tuned and plain.photo == {"file": "me.jpg", "edited": True}
    assert other.tuned == ()
    untuned = graft(tiny, from_seed(tiny, 2, 0.7), {"eyes": one})
    assert not torch.equal(other.ws, untuned.ws)


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family(family, monkeypatch):
    monkeypatch.setattr(grafting, "STEPS", 2)
    generator = make(family)
    one, two = from_seed(generator, 1, 0.7), from_seed(generator, 2, 0.7)
    assert not torch.equal(graft(generator, one, {"mouth": two}).ws, one.ws)
