"""Latent files: `.npy` holds one array, `.npz` also says which model and z it came from. Nothing is ever unpickled.

Other projects' `.pt` files with one tensor (e4e's `latents.pt`) are read, but not written.
"""

from __future__ import annotations

import io
import json
import math
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from stylegan_cli import importers
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.files import replacing
from stylegan_cli.generator import Origin
from stylegan_cli.importers import LATENT_KEYS
from stylegan_cli.noise import Noise
from stylegan_cli.tuning import Term, Tuned, Tuning

ENDINGS = (".npy", ".npz")
TORCH = (".pt", ".pth")
# A million W latents of size 512; more in a file is a mistake or an attack.
MAX_BYTES = 2 << 30
UNNAMED = "arr_0"  # the key that np.savez gives to the only array
# What zips and headers raise that are damaged.
BROKEN = (*MALFORMED, zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, SyntaxError, tokenize.TokenError)
READ_HEADER = {b"\x01\x00": np.lib.format.read_array_header_1_0, b"\x02\x00": np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Latents:
    """The contents of a latent file: the array as stored, and in `.npz` files perhaps `z` `[z_dim]`, `psi`, the model,
    each person's noise and tunings, and what else the file says `about` itself."""

    array: np.ndarray
    z: np.ndarray | None = None
    psi: float = 1.0
    origin: Origin | None = None
    noise: tuple[Noise, ...] = ()
    tuned: tuple[Tuned, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of people, if the array has a valid shape."""
        return len(self.array) if self.array.ndim == 3 else 1

    def only(self, number: int) -> Latents:
        """The latents of one person."""
        array = self.array[number] if self.array.ndim == 3 else self.array
        one = slice(number, number + 1)
        photos = self.about.get("photo")  # everybody's, if it is a list
        about = {**self.about, "photo": photos[one]} if isinstance(photos, list) else self.about
        return replace(self, array=array, noise=self.noise[one], tuned=self.tuned[one], about=about)


def read(path: Path) -> Latents:
    """Reads a `.npy`, our `.npz`, NVIDIA's `projected_w.npz` (its key is `w`), or the only tensor in a `.pt`. Raises
    StyleganError if reading fails."""
    if path.suffix.lower() in TORCH:
        return Latents(read_torch(path))
    with reading(path, "latents"):
        return _read_npz(path) if zipfile.is_zipfile(path) else Latents(read_npy(path))


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turns whatever goes wrong while reading a broken file as `what` into a StyleganError of one sentence."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.strerror:
            raise StyleganError(f"{path} cannot be read ({error.strerror}); use another file") from None
        raise StyleganError(
            f"{path} cannot be read as {what} ({_short(error)}); save it again as .npy or .npz"
        ) from None


def write_npz(
    path: Path,
    ws: np.ndarray,
    about: dict[str, Any],
    z: np.ndarray | None = None,
    psi: float = 1.0,
    tuned: Sequence[Tuned] = (),
) -> None:
    """Writes `w` `[n, num_ws, w_dim]`, key and shape as in NVIDIA's `projected_w.npz`, with `about` as JSON."""
    arrays: dict[str, Any] = {"w": ws, "about": np.array(json.dumps(about))}
    if z is not None:
        arrays |= {"z": z, "psi": np.array(psi)}
    if any(tuned):
        arrays |= _tuned_to_arrays(tuned, ws.shape[1])
    with replacing(path) as part, part.open("wb") as file:  # given a name with another ending, numpy would add .npz
        np.savez(file, **arrays)


@contextmanager
def writing_npy(path: Path, shape: tuple[int, ...]) -> Iterator[Callable[[np.ndarray], object]]:
    """Writes a float32 `.npy` of known shape; yields a function that appends the next array. Memory stays constant, and
    a full disk raises an error, whereas with a memory map it would kill the process."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(npy_header(shape))
        yield lambda array: file.write(array.astype("<f4").tobytes())


def npy_header(shape: tuple[int, ...]) -> bytes:
    """What comes before the values in a float32 `.npy` of this shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def read_npy(path: Path) -> np.ndarray:
    """The array of a `.npy`, mapped into memory."""
    if path.stat().st_size == 0:
        raise StyleganError(f"{path} is empty; save it again")
    with path.open("rb") as file:
        _check_header(file, path.stat().st_size)
    # Mapped, not read: numpy then compares the shape in the header with the file's size before taking any memory.
    with np.errstate(over="ignore"):  # numpy also warns if the shape is nonsense
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise StyleganError(f"{path} is a .npz, not a .npy; save the one array that is meant as .npy")
    return np.asarray(array)


def read_torch(path: Path) -> np.ndarray:
    """The only tensor in a file written by torch.save; floating-point numbers as float32."""
    tensor = importers.read_tensor(path)
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


@contextmanager
def open_npz(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The members of a `.npz`, each read on access; refused if they would unpack to far too much."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise StyleganError(
                f"{path} was refused: it would unpack to {size / 2**30:.1f} GiB, far more than latents need"
            )
        for member in archive.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it uses a compression that NumPy never uses")
            with archive.open(member) as file:
                _check_header(file, member.file_size)
    with np.load(path, allow_pickle=False) as file:
        yield file


def _check_header(file: IO[bytes], size: int) -> None:
    """Raises ValueError if an array's header claims more than its `size` bytes: numpy allocates whatever it claims."""
    if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
        return  # it is not an array, and numpy does not treat it as one
    read_header = READ_HEADER.get(file.read(2))
    if read_header is None:
        raise ValueError("its header has an unknown version")
    try:
        shape, _, dtype = read_header(file)
    except MemoryError:  # Python's parser raises it for some thousand signs in a row, however much memory there is
        raise ValueError("its header is damaged") from None
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > size:
        raise ValueError("its header claims more than it holds")


def _read_npz(path: Path) -> Latents:
    with open_npz(path) as file:
        # numpy returns a member without an array's header as bytes.
        array, origin, about = np.asarray(file[_key_of(path, file)]), None, {}
        if "about" in file:
            about = dict(json.loads(str(file["about"])))
            origin = Origin.from_plain(about["model"])
        stored = Latents(array, origin=origin, about=about)
        if "noise" in about:
            stored = replace(stored, noise=_noise_from_plain(about["noise"], stored.count))
        if "tunings/shares" in file:
            stored = replace(stored, tuned=_tuned_from_arrays(file, stored.count))
        if not ("z" in file and "psi" in file):
            return stored
        psi = float(file["psi"])
        if not math.isfinite(psi):
            raise ValueError("its psi is not finite")
        return replace(stored, z=np.asarray(file["z"]), psi=psi)


def _key_of(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Under which of LATENT_KEYS the latents are. Raises StyleganError if there are none."""
    for key in (*LATENT_KEYS, UNNAMED) if len(arrays) == 1 else LATENT_KEYS:
        if key in arrays:
            return key
    if "z" in arrays:
        raise StyleganError(
            f"{path} holds z without w, which is what commands take; give the seed, or make its w in Python: "
            "generator.to_w(z)"
        )
    if {"direction", "about"} <= set(arrays):
        raise StyleganError(
            f"{path} holds a direction, not latents; 'stylegan directions show {path}' tells about it, and edits take "
            "it with --direction"
        )
    raise StyleganError(
        f"{path} has no latents under {', '.join(LATENT_KEYS[:-1])} or {LATENT_KEYS[-1]}; its keys are "
        f"{', '.join(arrays) or 'none'}: save them with np.savez(file, w=latents), or as .npy"
    )


def _tuned_to_arrays(tuned: Sequence[Tuned], num_ws: int) -> dict[str, np.ndarray]:
    """Every tuning once, and each person's shares of them, `[n, tunings, num_ws]`."""
    tunings = list(dict.fromkeys(term.tuning for terms in tuned for term in terms))
    shares = np.zeros((len(tuned), len(tunings), num_ws), np.float32)
    for person, terms in enumerate(tuned):
        for term in terms:
            shares[person, tunings.index(term.tuning)] = term.shares
    arrays = {"tunings/shares": shares}
    for number, tuning in enumerate(tunings):
        arrays |= {f"tunings/{number}/{name}": array for name, array in tuning.to_arrays().items()}
    return arrays


def _tuned_from_arrays(arrays: Mapping[str, np.ndarray], people: int) -> tuple[Tuned, ...]:
    shares = np.asarray(arrays["tunings/shares"])
    if shares.ndim != 3 or len(shares) != people or shares.dtype.kind != "f" or not np.isfinite(shares).all():
        raise ValueError("its tunings' shares are damaged")
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key in dict.fromkeys(arrays):  # a zip can name a member, however large, ten thousand times
        if match := re.fullmatch(r"tunings/(\d+)/(.+)", key):
            parts.setdefault(match[1], {})[match[2]] = np.asarray(arrays[key])
    # Shares for no people or no layers would take no space in the file, for however many tunings.
    if not shares.size or len(parts) != shares.shape[1]:
        raise ValueError("its shares do not match its tunings")
    tunings = [Tuning.from_arrays(parts[str(number)]) for number in range(len(parts))]
    return tuple(
        tuple(Term(tuning, tuple(map(float, row))) for tuning, row in zip(tunings, person, strict=True) if row.any())
        for person in shares
    )


def _noise_from_plain(plain: Any, people: int) -> tuple[Noise, ...]:
    if not isinstance(plain, list) or len(plain) != people or not all(isinstance(one, dict) for one in plain):
        raise ValueError("its noise does not match its latents")
    return tuple(map(Noise.from_plain, plain))


def _short(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if "pickled" in text:  # numpy takes everything that does not begin like its own files for a pickle
        return "it is not a NumPy file"
    is_pickle = "allow_pickle" in text or "Python objects" in text
    return "it holds Python objects, which are never loaded" if is_pickle else text.splitlines()[0]
