"""A real photo."""

from pathlib import Path

import pytest
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def astronaut():
    """A woman in a photo of 360 pixels, the distance of her eyes 30."""
    return Image.open(GOLDEN / "astronaut.jpg").convert("RGB")
