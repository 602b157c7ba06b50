"""Layers by words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Layer
from stylegan_cli.latents.selection import in_bands, parse_bands, parse_layers

LAYERS = tuple(Layer(i, resolution, 8) for i, resolution in enumerate((4, 8, 8, 16, 32, 64, 128)))


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("coarse", (0, 1, 2)),
        ("middle", (3, 4)),
        ("fine", (5, 6)),
        ("fine,coarse", (0, 1, 2, 5, 6)),
        ("all", tuple(range(7))),
        ("none", ()),
        ("0-3", (0, 1, 2, 3)),
        ("6,0, 2-3", (0, 2, 3, 6)),
        ("coarse,1,3", (0, 1, 2, 3)),
    ],
)
def test_words_numbers_and_ranges(text, indices):
    assert parse_layers(text, LAYERS) == indices


@given(st.sets(st.integers(0, 6), min_size=1))
def test_any_set_of_layers_can_be_named(indices):
    assert parse_layers(",".join(map(str, indices)), LAYERS) == tuple(sorted(indices))


@pytest.mark.parametrize("text", ["-1", "eyes", "1-", "coarse;fine", "1.0", "9" * 5000])
def test_what_is_no_layer_is_refused(text):
    said = f"there is no band or layer '{text}'; use coarse, middle, fine, all, none, or layers from 0-6"
    with pytest.raises(UsageError, match=f"^{said}$"):
        parse_layers(text, LAYERS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7", "layers 7: this model has the layers 0-6"),
        ("0-7", "layers 0-7: this model has the layers 0-6"),
        ("3-1", "layers 3-1 are backwards; write 1-3"),
        ("", "'' names no layers; use coarse, middle, fine, all or none"),
        (" , ", "' , ' names no layers; use coarse, middle, fine, all or none"),
    ],
)
def test_layers_that_are_not_there_are_refused(text, said):
    with pytest.raises(UsageError, match=f"^{said}$"):
        parse_layers(text, LAYERS)


def test_bands_are_the_three_and_all_and_none():
    assert parse_bands("fine,coarse") == {"coarse", "fine"}
    assert parse_bands("all") == {"coarse", "middle", "fine"}
    assert parse_bands("none") == frozenset()


@pytest.mark.parametrize(
    ("text", "said"), [("0-3", "no band '0-3'"), ("eyes", "no band 'eyes'"), ("", "'' names no layers; use coarse,")]
)
def test_noise_takes_bands_only(text, said):
    with pytest.raises(UsageError, match=said):
        parse_bands(text)


def test_bands_part_the_layers():
    parts = [in_bands(LAYERS, (band,)) for band in ("coarse", "middle", "fine")]
    assert sorted(sum(parts, ())) == list(range(7))
