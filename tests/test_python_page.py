"""docs/python.md tells the truth: its code runs, block after block, and makes what it says."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

PAGE = (Path(__file__).parents[1] / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_code_runs(here):
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
