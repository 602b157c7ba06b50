"""Dragging: points arrive, with the least change, and whoever cannot move stays."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from test_tuning import make_tuning

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator, Layer
from stylegan_cli.latents.people import Person, from_seed
from stylegan_cli.noise import Noise
from stylegan_cli.operations import dragging
from stylegan_cli.operations.dragging import Move, drag
from stylegan_cli.operations.movable import maps_of
from stylegan_cli.tuning import whole

# Cycles per picture width, to the right and down.
FREQUENCIES = torch.tensor([[1.5, 0.5], [-1.0, 2.0], [2.5, 1.0], [0.5, -3.0], [2.0, -1.5], [-0.5, 1.0]])
SHIFT = 0.05  # picture widths that a w of 1 moves the plane


class Sliding(Generator):
    """A plane, whose place is the first two numbers of the first layer's `w`; nothing else is visible."""

    family = "sliding"
    layers = (Layer(0, 32, 4), Layer(1, 64, 4))
    has_noise = False

    def __init__(self, resolution=64):
        super().__init__(SimpleNamespace(resolution=resolution, z_dim=4, w_dim=4))
        self.register_buffer("w_avg", torch.zeros(4))

    def to_w(self, z, c=None):
        return z

    def draw(self, ws, noise):
        raise AssertionError("nobody looks at the picture")

    def features(self, ws, resolution, noise=None):
        pixels = (torch.arange(resolution) + 0.5) / resolution
        y, x = torch.meshgrid(pixels, pixels, indexing="ij")
        plane = torch.stack([x, y], dim=2) - SHIFT * ws[0, 0, :2]
        phases = 2 * torch.pi * plane @ FREQUENCIES.T
        return torch.cat([phases.sin(), phases.cos()], dim=2).permute(2, 0, 1)[None]

    def stage(self, resolution):
        raise NotImplementedError

    def resolution_of(self, tensor):
        return None

    def style_weights(self):
        return [torch.zeros(0, 4)] * 2


def somebody():
    return Person("somebody", torch.full((2, 4), 0.3))


def moved_by(dragged):
    """Pixels of 64 that the plane moved."""
    return ((dragged.person.ws - somebody().ws)[0, :2] * SHIFT * 64).tolist()


def test_a_point_arrives_and_nothing_changes_that_need_not():
    dragged = drag(Sliding(), somebody(), [Move((20, 30), (26, 33))])
    assert dragged.missed[0] < 0.5
    assert moved_by(dragged) == pytest.approx([6, 3], abs=0.5)
    torch.testing.assert_close(dragged.person.ws[0, 2:], somebody().ws[0, 2:], atol=0.02, rtol=0)
    assert torch.equal(dragged.person.ws[1], somebody().ws[1])  # as fine as the maps


def test_pixels_are_the_pictures():
    """A model of twice the size: so are the distances."""
    dragged = drag(Sliding(128), somebody(), [Move((40, 60), (52, 66))])
    assert moved_by(dragged) == pytest.approx([6, 3], abs=0.5)
    assert dragged.missed[0] < 1


def test_points_that_cannot_both_arrive_meet_halfway():
    dragged = drag(Sliding(), somebody(), [Move((20, 30), (28, 30)), Move((40, 20), (40, 20))])
    assert moved_by(dragged) == pytest.approx([4, 0], abs=0.6)
    assert dragged.missed == pytest.approx((4, 4), abs=0.6)


def test_what_is_missed_is_measured_in_the_pictures_pixels():
    dragged = drag(Sliding(128), somebody(), [Move((40, 60), (56, 60)), Move((80, 40), (80, 40))])
    assert dragged.missed == pytest.approx((8, 8), abs=1.2)


class Marked(Sliding):
    """A plane with a spot, which is gone as soon as anything moves: then it is only at the other end."""

    def features(self, ws, resolution, noise=None):
        maps = super().features(ws, resolution)
        moved = float((ws[0, 0, :2] - 0.3).abs().max()) > 0.05
        x, y = (50, 50) if moved else (12, 12)
        maps[0, :, y - 3 : y + 4, x - 3 : x + 4] = 3.0 * torch.linspace(-1, 1, maps.shape[1])[:, None, None]
        return maps


def test_a_point_that_was_lost_has_not_arrived():
    """However well it seems to have: it is looked for everywhere."""
    dragged = drag(Marked(), somebody(), [Move((12.5, 12.5), (20.5, 12.5)), Move((30, 40), (38, 40))])
    assert dragged.missed[0] == pytest.approx(math.hypot(50 - 20, 50 - 12), abs=2)


def test_maps_are_read_at_the_middle_of_their_pixels():
    maps = torch.arange(15.0).reshape(1, 1, 3, 5)
    places = torch.tensor([[0.5, 0.5], [4.5, 0.5], [2.5, 1.5], [3.0, 1.5], [9.0, 9.0]])
    assert dragging._read(maps, places)[:, 0].tolist() == pytest.approx([0, 4, 7, 7.5, 14], abs=1e-4)


def test_what_yields_to_forces_is_the_inverse_of_the_effort(tiny):
    path = dragging._Path(dragging._Face(tiny, from_seed(tiny, 1, 0.7), torch.tensor([[20.0, 20.0]])))
    stiffness = torch.eye(path.probes.shape[1]) + path.probes.mT @ path.probes
    forces = torch.randn(path.probes.shape[1], 3)
    torch.testing.assert_close(stiffness @ path._yielding(forces), forces, atol=1e-3, rtol=1e-3)


def test_maps_are_those_of_the_persons_noise_and_tuning(tiny):
    person = from_seed(tiny, 1, 0.7)
    quiet = replace(person, noise=Noise("none"))
    tuned = replace(person, tuned=whole(make_tuning(tiny), tiny.num_ws))
    plain, *others = (maps_of(tiny, one, one.ws[None]) for one in (person, quiet, tuned))
    assert not any(torch.equal(plain, other) for other in others)


def test_who_is_only_held_stays(tiny):
    person = from_seed(tiny, 1, 0.7)
    dragged = drag(tiny, person, [Move((60, 60), (60, 60))])
    torch.testing.assert_close(dragged.person.ws, person.ws, atol=1e-4, rtol=0)
    assert dragged.missed == (0,)


def test_the_steps_are_counted_in_advance():
    moves, taken = [Move((20, 30), (26, 33)), Move((40, 20), (46, 23))], []
    drag(Sliding(), somebody(), moves, lambda: taken.append(1))
    assert 5 <= len(taken) <= dragging.most_steps(Sliding(), moves) == 5 + dragging.SETTLING


def test_a_drag_is_the_same_every_time(tiny):
    person = from_seed(tiny, 1, 0.7)
    first, second = (drag(tiny, person, [Move((60, 60), (70, 50))]).person.ws for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, person.ws)


def test_whoever_was_in_a_photo_does_not_look_like_it_any_more(tiny):
    person = Person("me", from_seed(tiny, 1, 0.7).ws, photo={"file": "me.jpg"})
    assert drag(tiny, person, [Move((60, 60), (66, 60))]).person.photo == {"file": "me.jpg", "edited": True}


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([], "1 to 20 points can be dragged at once, but these are 0"),
        ([Move((1, 1), (2, 2))] * 21, "but these are 21"),
        ([Move((1, 1), (2, -1))], "the point 2,-1 is not in the picture, which has 64x64 pixels"),
        ([Move((65, 1), (2, 1))], "the point 65,1 is not"),
        ([Move((-1, 1), (2, 1))], "the point -1,1 is not"),
        ([Move((1, 1), (2, 1)), Move((1, 1), (1, 1))], "the point 1,1 cannot end at 2,1 and at 1,1; leave out one"),
    ],
)
def test_what_cannot_be_dragged(moves, said):
    with pytest.raises(UsageError, match=said):
        drag(Sliding(), somebody(), moves)
