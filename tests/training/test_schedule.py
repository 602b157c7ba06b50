"""Progressive growing: when, and what real pictures look like meanwhile."""

import pytest
import torch
import torch.nn.functional as F

from stylegan_cli.errors import UsageError
from stylegan_cli.training.schedule import ByResolution, Growth, faded

GROWTH = Growth(8, 64, ByResolution.parse("8:10,16:20"), ByResolution.parse("16:4,64:8"))


@pytest.mark.parametrize(
    ("kimg", "lod"),
    [(0, 3), (10, 3), (12, 2.5), (14, 2), (34, 2), (36, 1.5), (38, 1), (58, 1), (62, 0.5), (66, 0), (1000, 0)],
)
def test_growing(kimg, lod):
    assert GROWTH.lod(kimg) == pytest.approx(lod)


@pytest.mark.parametrize(("lod", "resolution"), [(3, 8), (2.9, 16), (2, 16), (0.5, 64), (0, 64)])
def test_a_resolution_takes_part_as_soon_as_it_fades_in(lod, resolution):
    assert GROWTH.resolution(lod) == resolution


def test_without_growing_everything_is_there():
    assert Growth(64, 64, GROWTH.stable, GROWTH.fade).lod(0) == 0


@pytest.mark.parametrize(("text", "values"), [("32", (32, 32, 32)), ("8:64,32:16", (64, 64, 16)), ("32:1", (1, 1, 1))])
def test_values_by_resolution(text, values):
    by = ByResolution.parse(text)
    assert tuple(by.at(r) for r in (8, 16, 64)) == values
    assert ByResolution.parse(str(by)) == ByResolution.parse(text)


@pytest.mark.parametrize("text", ["8:64,8:32", "8:64,8:64", "32,16", "0:5", "-8:64,8:32"])
def test_a_resolution_is_named_once(text):
    with pytest.raises(UsageError, match="does not name each resolution once"):
        ByResolution.parse(text)


@pytest.mark.parametrize("text", ["", "many", "8:", "8:1;16:2"])
def test_what_is_no_number(text):
    with pytest.raises(UsageError, match="neither a number"):
        ByResolution.parse(text)


def test_fading_meets_at_its_ends():
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(faded(images, 0.999999), faded(images, 1.0), atol=1e-4, rtol=0)
    assert torch.equal(faded(images, 0.0), images)
    halves = F.avg_pool2d(images, 2)
    torch.testing.assert_close(F.avg_pool2d(faded(images, 1.0), 2), halves)
    torch.testing.assert_close(F.avg_pool2d(faded(images, 0.3), 2), halves)
