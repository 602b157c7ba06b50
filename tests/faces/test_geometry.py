"""Squares around points, and cutting them out."""

import numpy as np
import pytest
from PIL import Image, ImageChops
from placing import placed

from stylegan_cli.faces import geometry

UPRIGHT = np.array([(-1, 0), (1, 0), (0, 1), (-0.7, 2), (0.7, 2)], float)
LONG = UPRIGHT * (1, 1.5)  # so much longer than wide that the height decides


@pytest.fixture(scope="module")
def noise():
    """A picture without any regularity."""
    return Image.fromarray(np.random.RandomState(0).randint(0, 255, (40, 60, 3), np.uint8))


def difference(one, other):
    return np.abs(np.asarray(one, int) - np.asarray(other, int)).max()


@pytest.mark.parametrize(("points", "edge", "height"), [(UPRIGHT, 8, 0.2), (LONG, 10.8, 0.3)])
def test_the_square_of_an_upright_face(points, edge, height):
    """The edge is the larger of 4 distances between the eyes and 3.6 from eyes to mouth; its middle is a tenth of
    the way down."""
    corners = geometry.square(points)
    assert corners == pytest.approx((geometry.WHOLE - 0.5) * edge + (0, height))
    assert geometry.edge(corners) == pytest.approx(edge)


@pytest.mark.parametrize("degrees", [0, 30, -90, 170])
def test_the_square_goes_where_the_face_goes(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def moved(points):
        return 3 * points @ np.array([(c, s), (-s, c)]) + (20, -5)

    assert geometry.square(moved(UPRIGHT)) == pytest.approx(moved(geometry.square(UPRIGHT)))


def test_the_square_of_a_face_in_the_mirror_is_its_mirror_image():
    points = np.array([(-1, 0.2), (1.1, 0), (0.3, 1), (-0.5, 2), (0.9, 1.9)])
    mirrored = points[[1, 0, 2, 4, 3]] * (-1, 1)
    assert geometry.square(mirrored) == pytest.approx(geometry.square(points)[[3, 2, 1, 0]] * (-1, 1))


def test_a_square_around_a_centre_is_told_by_its_right_side():
    corners = geometry.around(np.array([10.0, 20.0]), np.array([4.0, 0.0]))
    assert corners == pytest.approx(np.array([(6, 16), (6, 24), (14, 24), (14, 16)]))


def test_a_square_is_moved_as_it_sees_itself():
    corners = placed((100, 100), (50, 40), 20, 90).corners
    expected = placed((100, 100), (50 - 0.2 * 20, 40 + 0.1 * 20), 30, 90 + 45).corners
    assert geometry.moved(corners, 0.1, 0.2, np.log(1.5), np.pi / 4) == pytest.approx(expected)
    assert geometry.moved(corners, 0, 0, 0, 0) == pytest.approx(corners)


def test_inside_counts_in_shares_of_the_edges():
    corners = placed((100, 100), (50, 50), 20, 90).corners
    assert geometry.inside(corners, geometry.WHOLE) == pytest.approx(corners)
    assert geometry.inside(corners, np.array([(0.5, 0.5), (1, 0.5)])) == pytest.approx(np.array([(50, 50), (50, 60)]))


def test_cutting_along_pixels_changes_none(noise):
    corners = geometry.WHOLE * 32 + (7, 5)
    assert difference(geometry.cut(noise, corners, 32), noise.crop((7, 5, 39, 37))) == 0


def test_a_square_on_its_side_comes_out_upright(noise):
    corners = np.roll(geometry.WHOLE * 32 + (7, 5), 1, axis=0)
    upright = noise.crop((7, 5, 39, 37)).transpose(Image.Transpose.ROTATE_90)
    assert difference(geometry.cut(noise, corners, 32), upright) == 0


@pytest.mark.parametrize("ratio", [1.5, 2, 3, 7.3, 16])
def test_what_is_finer_than_a_pixel_becomes_grey(ratio):
    """A chequered picture, made smaller, shows no pattern that is not there."""
    edge = round(16 * ratio)
    chequered = Image.fromarray(np.uint8(np.indices((edge + 8, edge + 8)).sum(axis=0) % 2 * 255)).convert("RGB")
    small = np.asarray(geometry.cut(chequered, geometry.WHOLE * edge + 4, 16), int)
    assert np.abs(small - 127.5).max() < 20


def test_outside_is_black(noise):
    half = geometry.cut(noise, geometry.WHOLE * 20 + (50, 10), 20)
    assert difference(half.crop((0, 0, 9, 20)), noise.crop((50, 10, 59, 30))) == 0
    assert half.crop((11, 0, 20, 20)).getextrema() == ((0, 0),) * 3
    nothing = geometry.cut(noise, geometry.WHOLE * 20 + (500, 10), 20)
    assert not ImageChops.difference(nothing, Image.new("RGB", (20, 20))).getbbox()
