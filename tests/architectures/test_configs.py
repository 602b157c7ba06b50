"""A network's config as plain values, which come from files."""

import pytest

from stylegan_cli import architectures
from stylegan_cli.errors import StyleganError

WRONG = [
    ("stylegan2", "conv_clamp", "text"),
    ("stylegan2", "conv_clamp", [256]),
    ("stylegan2", "architecture", 1),
    ("stylegan2", "resample_filter", [1, "3"]),
    ("stylegan2", "resample_filter", 3),
    ("stylegan1", "mapping_width", 1.5),
    ("stylegan3", "margin_size", None),
    ("mobilestylegan", "channels", ["512"]),
]


@pytest.mark.parametrize(("family", "name", "value"), WRONG)
def test_values_of_another_kind_are_refused_before_they_draw(family, name, value):
    with pytest.raises(StyleganError, match=rf"^the {family} config's {name} has the wrong type: "):
        architectures.config_of(family, {name: value})


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("stylegan2", {"conv_clamp": 256, "resample_filter": [1, 2.0, 1]}),
        ("stylegan2", {"conv_clamp": None, "mapping_width": 64}),
        ("mobilestylegan", {"channels": (64, 64)}),
    ],
)
def test_whole_numbers_are_numbers_and_lists_are_tuples(family, config):
    made = architectures.config_of(family, config)
    found = {name: getattr(made, name) for name in config}
    assert found == {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
