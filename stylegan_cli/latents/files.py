"""Latent files: `.npy` holds one array, `.npz` also says which model and z it came from. Nothing is ever unpickled."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_cli.errors import StyleganError
from stylegan_cli.files import replacing

ENDINGS = (".npy", ".npz")
# A million W latents of 512; more in one person's file is a mistake or an attack.
MAX_BYTES = 2 << 30
KEYS = ("w", "ws")


@dataclass(frozen=True)
class Latents:
    """What a latent file holds: the array as stored, and of `.npz` files perhaps `z` `[z_dim]`, `psi` and the model."""

    array: np.ndarray
    z: np.ndarray | None = None
    psi: float = 1.0
    model: dict[str, Any] | None = None


def read(path: Path) -> Latents:
    """Reads `.npy`, our `.npz`, or NVIDIA's `projected_w.npz` (its key is `w`)."""
    try:
        return _read_npz(path) if zipfile.is_zipfile(path) else Latents(_read_npy(path))
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise StyleganError(
            f"{path} cannot be read as latents ({_short(error)}); save it again as .npy or .npz"
        ) from None


def write_npz(path: Path, ws: np.ndarray, about: dict[str, Any], z: np.ndarray | None = None, psi: float = 1.0) -> None:
    """Writes `w` `[n, num_ws, w_dim]`, key and shape as in NVIDIA's `projected_w.npz`, with `about` as JSON."""
    arrays: dict[str, Any] = {"w": ws, "about": np.array(json.dumps(about))}
    if z is not None:
        arrays |= {"z": z, "psi": np.array(psi)}
    with replacing(path) as part:
        np.savez(part, **arrays)


def _read_npy(path: Path) -> np.ndarray:
    if path.stat().st_size == 0:
        raise StyleganError(f"{path} is empty; save it again")
    # Mapped, not read: numpy then compares the shape in the header with the file's size before taking any memory.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _read_npz(path: Path) -> Latents:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise StyleganError(
                f"{path} would unpack to {size / 2**30:.1f} GiB, which latents never do; it was refused"
            )
    with np.load(path, allow_pickle=False) as file:
        key = next((key for key in KEYS if key in file), None)
        if key is None:
            raise StyleganError(
                f"{path} has no latents under {' or '.join(KEYS)}; its keys are {', '.join(file) or 'none'}"
            )
        about = json.loads(str(file["about"])) if "about" in file else {}
        z, psi = (file["z"], float(file["psi"])) if "z" in file and "psi" in file else (None, 1.0)
        return Latents(file[key], z, psi, about.get("model"))


def _short(error: Exception) -> str:
    text = str(error)
    return "it holds Python objects, which are never loaded" if "allow_pickle" in text else text.splitlines()[0]
