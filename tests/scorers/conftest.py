"""Four faces whose looks everybody can see: a laughing woman, a stern old man who looks to the right, a baby, and a
woman whose head is lowered."""

from pathlib import Path

import pytest
from PIL import Image

FACES = Path(__file__).parents[1] / "golden" / "faces"


@pytest.fixture(scope="session")
def faces():
    return {path.stem: Image.open(path).convert("RGB") for path in FACES.glob("*.jpg")}
