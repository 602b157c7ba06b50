"""Films as sequences of latents."""

import math

import pytest
import torch

from stylegan_cli.errors import StyleganError
from stylegan_cli.latents.people import Person, from_seed, from_z
from stylegan_cli.operations.interpolation import EASINGS, METHODS, Circle, Film, Moved, Track, catmull_rom, slerp


@pytest.fixture
def people(tiny):
    return tuple(from_seed(tiny, seed, 0.7) for seed in (1, 2, 3))


def film(tiny, people, frames=4, **options):
    track = Track(tuple(range(tiny.num_ws)), people)
    return Film(tiny, people[0], (track,), frames, **options)


@pytest.mark.parametrize("easing", EASINGS)
@pytest.mark.parametrize("method", METHODS)
def test_every_person_is_hit_to_the_bit(tiny, people, method, easing):
    made = film(tiny, people, method=method, easing=easing)
    assert len(made) == 9
    for i, person in enumerate(people):
        assert torch.equal(made.face(4 * i).ws, person.ws)


@pytest.mark.parametrize("method", METHODS)
def test_a_loop_leads_back_to_its_first_frame(tiny, people, method):
    made = film(tiny, people, method=method, loop=True)
    assert len(made) == 12
    assert torch.equal(made.face(0).ws, people[0].ws)
    steps = [(made.face(i).ws - made.face((i + 1) % 12).ws).norm().item() for i in range(12)]
    assert steps[-1] < 2 * max(steps[8:11])  # the step over the seam is one like those before it


def test_linear_is_halfway_halfway(tiny, people):
    torch.testing.assert_close(film(tiny, people).face(2).ws, (people[0].ws + people[1].ws) / 2)


def test_only_the_layers_on_a_track_move(tiny, people):
    made = Film(tiny, people[0], (Track((0, 1), people[:2]),), 4)
    last = made.face(4).ws
    assert torch.equal(last[:2], people[1].ws[:2])
    assert torch.equal(last[2:], people[0].ws[2:])


def test_tracks_of_different_lengths_end_together(tiny, people):
    a, b, c = people
    made = Film(tiny, a, (Track((0,), (a, b, c)), Track((1,), (a, b))), 4)
    assert len(made) == 9
    torch.testing.assert_close(made.face(4).ws[1], (a.ws[1] + b.ws[1]) / 2)
    assert torch.equal(made.face(8).ws[1], b.ws[1])


def test_spherical_interpolation_asks_for_z(tiny, people):
    known_by_w = Person("photo", people[0].ws)
    with pytest.raises(StyleganError, match="only the w of photo is known"):
        film(tiny, (people[1], known_by_w), method="spherical")  # before anything is drawn


def test_slerp_keeps_the_norm_and_halves_the_angle():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(slerp(a, b, 0.5), torch.full((2,), math.sqrt(2)))
    torch.testing.assert_close(slerp(a, a, 0.3), a)


def test_catmull_rom_is_exact_on_straight_lines():
    points = [torch.tensor([float(i)]) for i in range(4)]
    torch.testing.assert_close(catmull_rom(*points, 0.25), torch.tensor([1.25]))


@pytest.mark.parametrize(
    ("easing", "slow"), [("linear", ""), ("smooth", "both"), ("ease-in", "in"), ("ease-out", "out")]
)
def test_easings_are_slow_where_they_say(easing, slow):
    first, last = EASINGS[easing](0.01) / 0.01, (1 - EASINGS[easing](0.99)) / 0.01
    assert [first < 0.1, last < 0.1] == [slow in ("in", "both"), slow in ("out", "both")]
    assert EASINGS[easing](0.5) == {"in": 0.25, "out": 0.75}.get(slow, 0.5)


def test_spherical_interpolation_goes_from_psi_to_psi(tiny):
    a, b = from_seed(tiny, 1, 0.5), from_seed(tiny, 2, 0.9)
    made = film(tiny, (a, b), method="spherical").face(2)
    torch.testing.assert_close(made.ws, from_z(tiny, slerp(a.z, b.z, 0.5), 0.7, "").ws)


@pytest.mark.parametrize("loop", [False, True])
def test_a_cubic_film_turns_no_corner(tiny, people, loop):
    """It passes people as fast as it came, in the same direction; a loop does at its seam, too."""

    def corners(method):
        made = film(tiny, people, 100, method=method, loop=loop)
        places = (100, 200, 300) if loop else (100,)
        before, at, after = ([made.face((i + step) % len(made)).ws for i in places] for step in (-1, 0, 1))
        return [((a + c - 2 * b).norm() / (b - a).norm()).item() for a, b, c in zip(before, at, after, strict=True)]

    assert max(corners("cubic")) < 0.3 < min(corners("linear"))


def circle(tiny, a, b, frames=8):
    return Circle(tiny, a, (a, b), tuple(range(tiny.num_ws)), frames)


def test_a_circle_is_one_turn_in_z(tiny, people):
    a, b, _ = people
    made = circle(tiny, a, b)
    assert len(made) == len(list(made)) == 8
    assert torch.equal(made.face(0).ws, a.ws) and torch.equal(made.face(2).ws, b.ws)
    for frame, z in ((1, (a.z + b.z) / math.sqrt(2)), (4, -a.z), (6, -b.z), (7, (a.z - b.z) / math.sqrt(2))):
        torch.testing.assert_close(made.face(frame).ws, from_z(tiny, z, 0.7, "").ws)


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_a_circle_takes_any_number_of_frames(tiny, people, frames):
    made = list(circle(tiny, *people[:2], frames))
    assert len({tuple(face.ws[0].tolist()) for face in made}) == frames
    if frames == 6:
        z = people[0].z / 2 + people[1].z * math.sqrt(3) / 2  # after 60 degrees
        torch.testing.assert_close(made[1].ws, from_z(tiny, z, 0.7, "").ws)


def test_a_circle_goes_from_psi_to_psi_and_back(tiny):
    a, b = from_seed(tiny, 1, 0.5), from_seed(tiny, 2, 0.9)
    made = circle(tiny, a, b)
    torch.testing.assert_close(made.face(4).ws, from_z(tiny, -a.z, 0.5, "").ws)
    torch.testing.assert_close(made.face(3).ws, from_z(tiny, (b.z - a.z) / math.sqrt(2), 0.7, "").ws)


def test_a_circle_needs_two_different_z(tiny, people):
    with pytest.raises(StyleganError, match="only the w of photo is known"):
        circle(tiny, people[0], Person("photo", people[0].ws))
    with pytest.raises(StyleganError, match="no circle leads through 1 and 1"):
        circle(tiny, people[0], people[0])


@pytest.mark.parametrize(("loop", "last"), [(False, 1), (True, 0.75)])
def test_faces_move_evenly_and_a_loop_closes(tiny, people, loop, last):
    still = film(tiny, people[:2], 4 if not loop else 2, loop=loop)
    faces = list(Moved(still, ((0.1, 0.0), (0.1, 4.0)), (0.0, 360.0)))
    assert len(faces) == len(still)
    assert [face.translate for face in faces[:2]] == [(0.1, 0), (0.1, 1)]
    assert [faces[0].rotate, faces[-1].rotate] == [0, 360 * last]
    assert all(torch.equal(face.ws, own.ws) for face, own in zip(faces, still, strict=True))
