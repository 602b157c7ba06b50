"""Real faces."""

from pathlib import Path

import pytest
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def faces():
    """Four aligned faces of 192 pixels: a laughing woman, an old man, a baby, a woman who looks down."""
    return {path.stem: Image.open(path).convert("RGB") for path in (GOLDEN / "faces").glob("*.jpg")}


@pytest.fixture(scope="session")
def astronaut():
    """A woman in a photo of 360 pixels, the distance of her eyes 30."""
    return Image.open(GOLDEN / "astronaut.jpg").convert("RGB")
