"""Network surgery on two small networks."""

import copy
from dataclasses import replace

import pytest
import torch
from small_families import make

from stylegan_cli.errors import StyleganError
from stylegan_cli.operations import surgery


@pytest.fixture
def other(tiny):
    changed = copy.deepcopy(tiny)
    for tensor in changed.state_dict().values():
        tensor.add_(1)
    return changed


def shares(tiny, mixed):
    """How much of the other network each resolution has, None standing for the mapping."""
    found = {}
    for name, tensor in mixed.items():
        share = (tensor - tiny.state_dict()[name]).mean().item()
        found.setdefault(tiny.resolution_of(name), set()).add(round(share, 3))
    return found


def test_the_cut_lies_below_the_resolution_named(tiny, other):
    assert shares(tiny, surgery.swap_layers(tiny, other, 8)) == {None: {0.0}, 4: {0.0}, 8: {1.0}} | {
        r: {1.0} for r in (16, 32, 64)
    }


def test_smooth_fades_from_low_to_high(tiny, other):
    found = shares(tiny, surgery.swap_layers(tiny, other, 8, smooth=True))
    (four,), (eight,), (sixteen,) = found[4], found[8], found[16]
    assert 0 < four < 0.5 < eight < sixteen <= 1
    assert found[None] == {0.0}


def test_average_is_halfway_and_its_ends_are_the_networks(tiny, other):
    assert shares(tiny, surgery.average(tiny, other)) == {r: {0.5} for r in (None, 4, 8, 16, 32, 64)}
    assert all(torch.equal(t, tiny.state_dict()[n]) for n, t in surgery.average(tiny, other, 0.0).items())


def test_networks_of_different_shapes_are_refused(tiny, other):
    """The first difference is named, and a family has other things than another."""
    other.config = replace(other.config, mapping_layers=9)
    with pytest.raises(StyleganError, match="different shapes: mapping_layers is 2 in the first and 9 in the second; "):
        surgery.average(tiny, other)
    with pytest.raises(StyleganError, match="different shapes: family is mobilestylegan in the first and stylegan1 in"):
        surgery.swap_layers(tiny, make("stylegan1"), 8)
    with pytest.raises(StyleganError, match="different shapes: resolution is 64 in the first and 32 in the second; "):
        surgery.average(make("stylegan2"), make("stylegan2", resolution=32))


@pytest.mark.parametrize("changes", [{"w_avg_beta": 0.9}, {"conv_clamp": 256}])
def test_what_does_not_draw_makes_no_difference(changes):
    """NVIDIA's repositories write other numbers into models of one shape; the clamp came with ADA."""
    one, other = make("stylegan2"), make("stylegan2", **changes)
    assert surgery.average(one, other).keys() == one.state_dict().keys()
