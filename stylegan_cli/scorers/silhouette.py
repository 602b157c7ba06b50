"""Separates people in a picture from the background (MediaPipe Selfie Segmentation)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylegan_cli.assets import Asset
from stylegan_cli.scorers import runtime
from stylegan_cli.scorers.mesh import MEDIAPIPE

SILHOUETTE = Asset(
    MEDIAPIPE,
    "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
    "MediaPipe's network that separates people from the background",
    "Apache-2.0",
)
SIZE = 256


def read(picture: Image.Image) -> np.ndarray:
    """`[256, 256, 1]` float32, from 0 (background) to 1 (people), of a square picture of any size."""
    small = np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS), np.float32)
    maps, kernel, bias = runtime.beginning(SILHOUETTE)(small[None] / 255)
    # Its last operation, MediaPipe's own, is a transposed convolution: every place becomes 2x2 places.
    logits = np.einsum("yxc,ijc->yixj", maps[0], kernel[0]).reshape(SIZE, SIZE, 1) + bias
    return np.asarray(0.5 + 0.5 * np.tanh(logits / 2))
