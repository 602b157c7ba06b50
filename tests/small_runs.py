"""Small training runs for tests: pictures and command lines."""

import json

import numpy as np
from PIL import Image

SIZES = {"--cbase": 128, "--cmax": 8, "--map-depth": 2, "--latent": 8, "--batch": 8, "--device": "cpu"}
GROWING = {"--cfg": "stylegan1", "--stable-kimg": 0.016, "--fade-kimg": 0.032, **SIZES}


def words(**options):
    """A command line: `words(kimg=1, aug="ada")`, begun with tiny sizes."""
    cfg = options.pop("cfg", "stylegan2")
    given = dict(GROWING if cfg == "stylegan1" else {"--cfg": cfg, **SIZES})
    given |= {"--tick": 0.04, "--snap": 1, "--kimg": 0.08}
    given |= {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    flags = [name for name, value in given.items() if value is True]
    return [str(word) for pair in given.items() if pair[1] is not True for word in pair] + flags


def write_pictures(folder, count=24, size=16, classes=0):
    folder.mkdir(parents=True, exist_ok=True)
    stream = np.random.RandomState(0)
    labels = []
    for i in range(count):
        base = stream.randint(0, 255, (2, 2, 3), dtype=np.uint8)
        Image.fromarray(base).resize((size, size), Image.Resampling.BILINEAR).save(folder / f"{i:03d}.png")
        labels.append([f"{i:03d}.png", i % max(classes, 1)])
    if classes:
        (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder
