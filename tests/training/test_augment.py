"""Augmentations: each undoes itself, stays what it is called, and happens as often as it should."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylegan_cli.media.render import to_tensor
from stylegan_cli.training import augment as A
from stylegan_cli.training.losses import r1_penalty


@pytest.fixture
def images():
    """Smooth pictures, which resampling changes little."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    waves = torch.stack([torch.sin(2 * x + y), torch.cos(3 * y), torch.exp(-4 * (x**2 + y**2))])
    return waves.expand(4, -1, -1, -1) * torch.tensor([1.0, 0.7, -0.5, 0.2])[:, None, None, None]


def draw(n=4000, p=1.0):
    return A.Draw(n, p)


def middle(images, size=12):
    edge = (images.shape[3] - size) // 2
    return images[:, :, edge:-edge, edge:-edge]


def test_nothing_at_zero(images):
    assert A.augment(images, 0.0, "bgc") is images


def test_the_filter_is_an_orthogonal_low_pass():
    h = np.array(A.SYM6)
    assert h.sum() == pytest.approx(math.sqrt(2))
    shifted = [(h[2 * k :] * h[: len(h) - 2 * k]).sum() for k in range(6)]
    assert shifted == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-10)
    moments = [(h * (-1) ** np.arange(12) * np.arange(12) ** k).sum() for k in range(3)]
    assert moments == pytest.approx([0, 0, 0], abs=1e-7)


def test_warping_by_nothing_is_exact():
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(A.warp(images, draw(2).identity(3)), images, atol=1e-5, rtol=0)


def angles(*values):
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize(
    ("inverse", "expected"),
    [
        (A.scaling(angles(-1.0), angles(1.0)), lambda x: x.flip(3)),
        (A.rotation(angles(math.pi / 2)), lambda x: x.rot90(1, (2, 3))),
        (A.translation(angles(4 / 32), angles(0.0)), lambda x: torch.cat([x[..., 4:], x[..., 28:].flip(3)], dim=3)),
        (A.translation(angles(0.0), angles(-4 / 32)), lambda x: torch.cat([x[..., :4, :].flip(2), x[..., :28, :]], 2)),
    ],
    ids=["mirror", "quarter turn", "shift left", "shift down"],
)
def test_blits_move_whole_pixels(images, inverse, expected):
    found = A.warp(images, inverse.expand(4, -1, -1))
    torch.testing.assert_close(middle(found), middle(expected(images)), atol=0.03, rtol=0)


def test_beyond_their_edges_pictures_go_on_mirrored(images):
    found = A.warp(images, A.translation(angles(8 / 32), angles(0.0)).expand(4, -1, -1))
    expected = torch.cat([images[..., 8:], images[..., 23:31].flip(3)], dim=3)
    torch.testing.assert_close(found[..., 4:-4, :-4], expected[..., 4:-4, :-4], atol=0.05, rtol=0)


def test_warps_undo_each_other(images):
    matrix = A.rotation(angles(0.3)) @ A.scaling(angles(1.1), angles(0.9)) @ A.translation(angles(0.05), angles(-0.02))
    there = A.warp(images, matrix.expand(4, -1, -1))
    back = A.warp(there, torch.linalg.inv(matrix).expand(4, -1, -1))
    assert (middle(there) - middle(images)).abs().max() > 0.1
    torch.testing.assert_close(middle(back), middle(images), atol=0.03, rtol=0)


def test_faces_are_turned_about_the_middle(faces, monkeypatch):
    """The filter is not symmetric: what it moves must be moved back by just so much."""
    images = torch.cat([to_tensor(face.resize((64, 64))) for face in faces.values()])
    turned, errors = A.rotation(angles(math.pi / 2)).expand(len(images), -1, -1), []
    for off in (A.OFF_CENTRE, -0.4, -0.6):
        monkeypatch.setattr(A, "OFF_CENTRE", off)
        errors.append(float((A.warp(images, turned) - images.rot90(1, (2, 3))).square().mean().sqrt()))
    assert errors[0] < 0.8 * min(errors[1:])


def test_few_sizes_are_warped(monkeypatch):
    """Trying which way of convolving is fastest takes long for each."""
    images, sizes, sample = torch.rand(2, 3, 64, 64), set(), F.grid_sample

    def noted(images, *args, **kwargs):
        sizes.add(images.shape[3])
        return sample(images, *args, **kwargs)

    monkeypatch.setattr(F, "grid_sample", noted)
    for seed in range(60):
        torch.manual_seed(seed)
        A.augment(images, (0.1, 0.5, 1.0)[seed % 3], "bg")
    assert 1 < len(sizes) <= 8


@pytest.mark.parametrize("size", [8, 37])
def test_places_are_torchs(size):
    """Without a product of matrices."""
    theta = torch.randn(3, 2, 3)
    expected = F.affine_grid(theta, [3, 1, size, size], align_corners=False)
    torch.testing.assert_close(A._grid(theta, size), expected, atol=1e-6, rtol=1e-6)


def test_extreme_warps_stay_finite():
    found = A.warp(torch.rand(1, 3, 8, 8), A.scaling(angles(9.0), angles(9.0)))
    assert found.shape == (1, 3, 8, 8)
    assert found.isfinite().all()


def test_blits_are_whole_pixels_and_all_equally_likely():
    found = A.blits(draw(), 32)
    turned, shift = found[:, :2, :2].round(decimals=4), found[:, :2, 2] * 16
    assert len(turned.unique(dim=0)) == 8  # mirrored or not, four ways
    torch.testing.assert_close(turned.abs().sum(dim=2), torch.ones(4000, 2))
    torch.testing.assert_close(shift, shift.round(), atol=1e-4, rtol=0)
    assert shift.abs().max() <= 4 + 1e-4


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_blits_happen_with_probability_p(p):
    """A mirror's two outcomes and a turn's four include that nothing changes."""
    found = A.blits(draw(20000, p), 32)
    linear, shift = found[:, :2, :2], found[:, :2, 2]
    diagonal = linear[:, 0, 1].abs() < 0.5
    assert (torch.linalg.det(linear) < 0).float().mean().item() == pytest.approx(p / 2, abs=0.015)
    assert (~diagonal).float().mean().item() == pytest.approx(p / 2, abs=0.015)
    shifted = (shift.abs() > 1e-4).any(dim=1).float().mean().item()
    assert shifted == pytest.approx(p * (1 - 1 / 8**2), abs=0.015)  # of -4 to 4 pixels, the ends half as often


def test_blits_come_before_geometry(images, monkeypatch):
    """So a shift is by whole pixels, whatever the zoom: the map says where colours come from, and is read backwards."""
    shift, zoom = A.translation(angles(8 / 32), angles(0.0)), A.scaling(angles(0.5), angles(0.5))
    monkeypatch.setattr(A, "blits", lambda draw, _: shift.expand(draw.n, -1, -1))
    monkeypatch.setattr(A, "geometry", lambda draw: zoom.expand(draw.n, -1, -1))
    torch.testing.assert_close(
        A.augment(images, 1.0, "bg"), A.warp(A.warp(images, shift.expand(4, -1, -1)), zoom.expand(4, -1, -1)),
        atol=0.05, rtol=0,
    )  # fmt: skip


def test_geometry_has_the_papers_statistics():
    """Appendix B of the paper."""
    found = A.geometry(draw())
    linear = found[:, :2, :2]
    area = torch.linalg.det(linear).log() / 2
    assert area.mean().abs() < 0.01  # stretching keeps areas, zoom changes them evenly
    assert area.std().item() == pytest.approx(0.2 * math.log(2), rel=0.05)
    stretch = torch.linalg.svdvals(linear).log().diff(dim=1) / 2
    assert stretch.square().mean().sqrt().item() == pytest.approx(0.2 * math.log(2), rel=0.05)
    shift = torch.linalg.solve(linear, found[:, :2, 2]) / 2
    assert shift.std().item() == pytest.approx(0.125, rel=0.05)


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_turns_happen_with_probability_p(p):
    linear = A.geometry(A.Draw(40000, p))[:, :2, :2]
    diagonal = (linear[:, 0, 1] == 0) & (linear[:, 1, 0] == 0)
    assert diagonal.float().mean().item() == pytest.approx(1 - p, abs=0.01)


def test_colours_are_affine_maps_that_keep_the_grey_axis():
    matrix = A.colours(draw())
    assert torch.equal(matrix[:, 3], torch.tensor([0.0, 0, 0, 1]).expand(4000, -1))
    grey = matrix[:, :3, :3] @ torch.ones(3)
    torch.testing.assert_close(grey, grey.mean(dim=1, keepdim=True).expand(-1, 3), atol=1e-4, rtol=1e-4)
    assert (grey[:, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=0.03)  # inverted luma


def test_colours_have_the_papers_statistics():
    """Appendix B of the paper."""
    matrix = A.colours(draw(8000))
    linear = matrix[:, :3, :3]
    brightness = torch.linalg.solve(linear, matrix[:, :3, 3])
    assert brightness.std().item() == pytest.approx(0.2, rel=0.05)
    contrast = linear.sum(dim=2)[:, 0].abs().log()
    assert contrast.mean().item() == pytest.approx(0, abs=0.02)
    assert contrast.std().item() == pytest.approx(0.5 * math.log(2), rel=0.05)
    saturation = torch.linalg.det(linear).abs().log() / 2 - 1.5 * contrast  # of both axes that are not grey
    assert saturation.mean().item() == pytest.approx(0, abs=0.03)
    assert saturation.std().item() == pytest.approx(math.log(2), rel=0.05)


def test_colours_can_be_undone(images):
    matrix = A.colours(draw(4))
    back = A.recoloured(A.recoloured(images, matrix), torch.linalg.inv(matrix))
    torch.testing.assert_close(back, images, atol=1e-4, rtol=0)


def test_hue_keeps_luma_and_saturation():
    luma = torch.full((4, 4), 1 / 3)
    luma[3], luma[:, 3] = 0, 0
    turned = A.recoloured(pictures := torch.rand(5, 3, 2, 2), A._hue(torch.linspace(-3, 3, 5), luma))
    torch.testing.assert_close(turned.mean(dim=1), pictures.mean(dim=1))
    torch.testing.assert_close(turned.std(dim=1), pictures.std(dim=1))


@pytest.mark.parametrize("pipe", A.PIPES)
def test_every_picture_is_changed_in_its_own_way(images, pipe):
    found = A.augment(images[:1].expand(16, -1, -1, -1).contiguous(), 1.0, pipe)
    assert found.shape == (16, 3, 32, 32)
    assert len({one.sum().item() for one in found}) > 8


def test_p_is_the_share_of_changed_pictures(images):
    same = images[:1].expand(500, -1, -1, -1)
    found = A.augment(same, 0.1, "color")
    untouched = (found - same).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert untouched.float().mean().item() == pytest.approx(0.9**5 * 1 + 0.9**4 * 0.1 * 0.5, abs=0.06)


def test_differentiable_twice():
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    inverse = A.geometry(draw(2)).double()
    assert torch.autograd.gradcheck(lambda x: A.warp(x, inverse), [images], fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: A.warp(x, inverse), [images], fast_mode=True)


def test_r1_looks_through_augmentations():
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    weight = torch.ones(3, 8, 8, requires_grad=True)
    scores = (A.augment(images, 1.0, "bgc") * weight).square().sum(dim=(1, 2, 3))
    r1_penalty(scores, images).sum().backward()
    assert weight.grad.abs().sum() > 0


def test_p_follows_overfitting():
    assert A.steered(0.5, r_t=0.7, target=0.6, kimg=0.5, span=500) == pytest.approx(0.501)
    assert A.steered(0.5, r_t=0.5, target=0.6, kimg=0.5, span=500) == pytest.approx(0.499)
    assert A.steered(0.0, r_t=0.5, target=0.6, kimg=0.5, span=500) == 0
    assert A.steered(1.0, r_t=0.9, target=0.6, kimg=0.5, span=500) == 1
