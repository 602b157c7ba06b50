"""docs/python.md tells the truth: its code runs, block after block, and makes what it says."""

import re
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from stylegan_cli.operations import grafting, pivotal, projection

PAGE = (Path(__file__).parents[1] / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


ASTRONAUT = Path(__file__).parent / "golden" / "astronaut.jpg"


def test_the_code_runs(here, monkeypatch):
    """With short searches."""
    with Image.open(ASTRONAUT) as photo:
        photo.save("me.jpg")
    monkeypatch.setattr(grafting, "STEPS", 5)
    for module in (projection, pivotal):
        monkeypatch.setattr(module, "Settings", partial(module.Settings, steps=2))
    names = {}
    for block in BLOCKS:
        shown = dict(re.findall(r"^(\w+) = .*# (\[[\d, ]+\])", block, re.MULTILINE))
        exec(compile(block, "docs/python.md", "exec"), names)
        assert {name: str(list(names[name].shape)) for name in shown} == shown
    brightness = names["brightness"].item()
    assert names["generator"].synthesize(names["brighter"]).mean() > brightness + 0.05
    assert Image.open("older.jpg").size == (1024, 1024)
    assert Image.open("sheet.png").width > 3 * 256
    assert np.array_equal(np.load("older.npy"), names["older"].ws)
    with Image.open("me.jpg") as before, Image.open("me-smiling.png") as after:
        assert before.size == after.size and before.convert("RGB").tobytes() != after.tobytes()
    assert names["scores"](names["jon"])["age"] < 45
    assert abs(names["scores"](names["sixty"])["age"] - 60) < 3
