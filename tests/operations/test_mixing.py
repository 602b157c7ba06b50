"""Mixing, blending and interpolation as algebra: no network is run here."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stylegan_cli.latents.people import Person
from stylegan_cli.noise import Noise
from stylegan_cli.operations import blending, mixing


@pytest.fixture
def people(tiny):
    torch.manual_seed(1)
    return [Person(name, torch.randn(tiny.num_ws, tiny.w_dim)) for name in "abc"]


def test_mixing_somebody_with_themselves_is_them(tiny, people):
    a = people[0]
    assert torch.equal(mixing.mix(tiny.layers, {"coarse": a, "middle": a, "fine": a}).ws, a.ws)


def test_somebody_alone_stays_who_they_are(tiny, people):
    """In whose photo, and from which z."""
    me = replace(people[0], photo={"file": "me.jpg"}, z=torch.ones(tiny.z_dim))
    assert mixing.mix(tiny.layers, {"middle": me}) == me
    mixed = mixing.mix(tiny.layers, {"middle": me, "fine": people[1]})
    assert mixed.photo is None and mixed.z is None


def test_each_band_comes_from_its_person(tiny, people):
    given = dict(zip(("coarse", "middle", "fine"), people, strict=True))
    mixed = mixing.mix(tiny.layers, given).ws
    for layer in tiny.layers:
        assert torch.equal(mixed[layer.index], given[layer.band].ws[layer.index])


def test_bands_left_out_come_from_the_coarsest_person_named(tiny, people):
    middle, fine = people[:2]
    mixed = mixing.mix(tiny.layers, {"fine": fine, "middle": middle}).ws
    coarse = [layer.index for layer in tiny.layers if layer.band == "coarse"]
    assert torch.equal(mixed[coarse], middle.ws[coarse])


def test_explicit_layers_win(tiny, people):
    a, b, _ = people
    mixed = mixing.mix(tiny.layers, {"coarse": a}, [((0, 2), b)]).ws
    assert torch.equal(mixed[[0, 2]], b.ws[[0, 2]])
    assert torch.equal(mixed[1], a.ws[1])


def test_single_layers_need_nobody_else_if_they_are_all_layers(tiny, people):
    a, b, _ = people
    rest = tuple(range(1, tiny.num_ws))
    mixed = mixing.mix(tiny.layers, {}, [((0,), a), (rest, b), ((1,), a)])
    assert torch.equal(mixed.ws[:2], a.ws[:2])
    assert torch.equal(mixed.ws[2:], b.ws[2:])
    assert mixed.label == "a + b"


def test_the_noise_is_that_of_the_coarsest_person(tiny, people):
    a, b, c = (replace(person, noise=Noise("random", i)) for i, person in enumerate(people))
    assert mixing.mix(tiny.layers, {"fine": c, "middle": b}, [((0,), a)]).noise == b.noise
    assert [cell.noise.seed for row in mixing.figure([a, b], [c], (0,)).rows for cell in row if cell] == [2, 0, 0, 1, 1]


def test_a_child_has_its_first_parent_s_noise(people):
    a, b = (replace(person, noise=Noise("random", i)) for i, person in enumerate(people[:2]))
    assert blending.blend(a, b, torch.full((len(a.ws),), 0.3)).noise == a.noise


def test_the_figure_has_a_header_row_and_column(people):
    sheet = mixing.figure(people[:2], people, (0,))
    assert [len(row) for row in sheet.rows] == [4, 4, 4]
    assert sheet.rows[0][0] is None
    assert [cell.caption for cell in sheet.rows[0][1:]] == ["a", "b", "c"]
    assert sheet.names == ("", "a", "b")
    assert not any(cell.caption for row in sheet.rows[1:] for cell in row)  # rows stand close
    assert torch.equal(sheet.rows[1][2].ws, mixing.swap(people[0], people[1], (0,)).ws)


def test_a_whole_share_is_that_parent(tiny, people):
    a, b, _ = people
    for share, parent in ((1.0, a), (0.0, b)):
        shares = blending.share_by_layer(tiny.layers, dict.fromkeys(("coarse", "middle", "fine"), share))
        assert torch.equal(blending.blend(a, b, shares).ws, parent.ws)


def test_shares_go_by_band_and_then_by_layer(tiny):
    shares = blending.share_by_layer(tiny.layers, {"coarse": 0.1, "middle": 0.2, "fine": 0.3}, [((1,), 0.9)])
    for layer in tiny.layers:
        expected = 0.9 if layer.index == 1 else {"coarse": 0.1, "middle": 0.2, "fine": 0.3}[layer.band]
        assert shares[layer.index].item() == pytest.approx(expected)


def test_siblings_repeat_with_their_seed():
    assert blending.draw_shares(1, 2) == blending.draw_shares(1, 2) != blending.draw_shares(2, 2)


@pytest.mark.parametrize(("children", "apart"), [(2, 0.55), (4, 0.5), (8, 0.3), (16, 0.3)])
@pytest.mark.parametrize("seed", range(20))
def test_there_are_no_twins(seed, children, apart):
    shares = np.array([[*blending.draw_shares(seed, child).values()] for child in range(children)])
    assert ((shares >= 0) & (shares < 1)).all()
    distances = np.linalg.norm(shares[:, None] - shares, axis=2) + 9 * np.eye(children)
    assert distances.min() > apart


def test_an_only_child_stands_between_its_parents(people):
    a, b, child = people
    sheet = blending.family(a, b, [child])
    assert [cell.caption for cell in sheet.rows[0]] == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("children", "rows"),
    [
        (2, [2]),
        (3, [3]),
        (4, [4]),
        (5, [3, 2]),
        (6, [3, 3]),
        (7, [4, 3]),
        (8, [4, 4]),
        (9, [3, 3, 3]),
        (10, [5, 5]),
        (50, [10] * 5),
    ],
)
def test_siblings_stand_in_equal_rows_below_their_parents(people, children, rows):
    a, b, child = people
    sheet = blending.family(a, b, [child] * children)
    assert [len(row) for row in sheet.rows] == [2, *rows]
    assert sheet.centred
    assert None not in [cell for row in sheet.rows for cell in row]
