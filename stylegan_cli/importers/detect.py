"""Reads every kind of model file. Its kind is recognised by its first bytes and its tensors' names and shapes, never by
the file's name."""

from __future__ import annotations

import errno
import json
import mmap
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan_cli import tensorfile
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.importers import (
    genforce,
    interfacegan,
    lernapparat,
    lucidrains,
    mmgen,
    mobilestylegan,
    nvidia_tensorflow,
    nvidia_torch,
    psp,
    rosinality,
    torchfile,
)
from stylegan_cli.importers.checkpoint import Checkpoint, Draft, Drafts, EncoderDraft, Network, check
from stylegan_cli.importers.stored import RefusedError, Stored, shown
from stylegan_cli.importers.unpickle import Record
from stylegan_cli.modelfile import digest

MOST_TOLD = 8  # keys in a sentence
LATENT_KEYS = ("w", "ws", "latent", "latents", "dlatents")  # under which projects store latents; the first counts
KNOWN = "NVIDIA's .pkl, .pt, .pth and .ckpt of other StyleGAN projects, and this tool's .safetensors files"
# How other projects' dicts are told apart, and their readers.
READERS: tuple[tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any]], Drafts]], ...] = (
    (psp.is_checkpoint, psp.read),
    (lucidrains.is_checkpoint, lucidrains.read),
    (mobilestylegan.is_checkpoint, mobilestylegan.read),
    (mmgen.is_checkpoint, mmgen.read),
    (interfacegan.is_generator, interfacegan.read),
    (lernapparat.is_generator, lernapparat.read),
)
# The first bytes, in lower case and without leading space, of other things that are often mistaken for models.
STRANGERS = {
    b"\x93numpy": "a NumPy array: give it where latents are asked for",
    b"<!doctype": "a web page, perhaps sent in place of the file",
    b"<html": "a web page, perhaps sent in place of the file",
    b"<?xml": "XML text, perhaps a server's error message",
    b"{": "JSON text, and neither a model nor latents",
    b"version https://git-lfs": "a Git LFS pointer: fetch the file itself with 'git lfs pull'",
    b"\x1f\x8b": "a gzip file: unpack it first",
}


def read(path: Path) -> Checkpoint:
    """The networks in a checkpoint of any known kind. Nothing in the file is ever run. Raises StyleganError if reading
    fails."""
    with _refusing(path, "another model"):
        data = _map(path)
        return _native(path) if _is_safetensors(data) else _foreign(path, data)


def read_tensor(path: Path) -> Tensor:
    """The only tensor in a file written by torch.save, or rosinality's projected latents, `[n, w_dim]` or `[n, num_ws,
    w_dim]`, as `[n, 1 or num_ws, w_dim]`. Nothing in the file is ever run. Raises StyleganError if it cannot be
    read."""
    with _refusing(path, "another file"):
        value = _tree(path, data := _map(path))
        if _factors(value) is not None:
            raise RefusedError("these are rosinality's factors, which are directions (stylegan edit --direction)")
        return _only(value, len(data))


def read_directions(path: Path) -> Tensor:
    """What `read_tensor` reads, the directions `[n, w_dim]` that rosinality's factorization writes, or GANSpace's
    components `[n, 1, w_dim]` in e4e's `ffhq_pca.pt`, each as long as a standard deviation."""
    with _refusing(path, "another file"):
        value = _tree(path, data := _map(path))
        if (factors := _factors(value)) is not None:
            return factors.tensor().T
        if (components := _components(value)) is not None:
            return components
        return _only(value, len(data))


def _factors(value: object) -> Stored | None:
    """The matrix of rosinality's factors, which are its columns; None if `value` is something else."""
    found = value["eigvec"] if isinstance(value, dict) and value.keys() == {"ckpt", "eigvec"} else None
    return found if isinstance(found, Stored) and len(found.shape) == 2 else None


def _components(value: object) -> Tensor | None:
    """The principal components of W in a file like e4e's, times their standard deviations, `[n, 1, w_dim]`; None if
    `value` is something else."""
    if not (isinstance(value, dict) and value.keys() >= {"comp", "std"}):
        return None
    components, deviations = value["comp"], value["std"]
    if not (isinstance(components, Stored) and isinstance(deviations, Stored)):
        return None
    if len(components.shape) not in (2, 3) or deviations.shape != components.shape[:1]:
        raise RefusedError("its components and their deviations do not match")
    scaled = components.tensor().float() * deviations.tensor().float().view(-1, *[1] * (len(components.shape) - 1))
    return scaled[:, None] if scaled.ndim == 2 else scaled


def _only(value: object, size: int) -> Tensor:
    """The only tensor, alone or under one of LATENT_KEYS; or `_several`, as one. `size` is the file's, in bytes."""
    if isinstance(value, dict):
        value = next((value[key] for key in LATENT_KEYS if isinstance(value.get(key), Stored | list | tuple)), value)
    if isinstance(value, Stored):
        return value.tensor()
    latents = _several(value)
    if len({latent.shape for latent in latents}) != 1:
        raise LayoutError(_contents(value))
    if sum(latent.nbytes for latent in latents) > size:
        raise RefusedError("its latents are larger than the file itself")
    stacked = torch.stack([latent.tensor() for latent in latents])
    if stacked.ndim == 4 and stacked.shape[1] == 1:
        return stacked[:, 0]
    return stacked[:, None] if stacked.ndim == 2 else stacked


def _several(value: object) -> list[Stored]:
    """The tensors in a list, or those that rosinality's projector writes under their pictures' names; none if there is
    anything else."""
    if isinstance(value, dict):
        value = [one.get("latent") if isinstance(one, dict) else None for one in value.values()]
    found = list(value) if isinstance(value, list | tuple) else []
    return found if all(isinstance(one, Stored) for one in found) else []


def _contents(value: object) -> str:
    """What a file holds in place of a tensor, in words."""
    if isinstance(value, list | tuple):
        return f"{len(value)} values"
    if not isinstance(value, dict):
        return shown(value)
    if not value:
        return "nothing"
    more = ", ..." if len(value) > MOST_TOLD else ""
    return f"the keys {', '.join(map(shown, list(value)[:MOST_TOLD]))}{more}"


class LayoutError(Exception):
    """What a file written by torch.save holds in place of a tensor."""


@contextmanager
def _refusing(path: Path, instead: str) -> Iterator[None]:
    """Turns what is wrong with a file into one sentence; `instead` is what to use in its place."""
    try:
        yield
    except RefusedError as error:
        raise StyleganError(
            f"{path} was refused: {error}; nothing in it was run, use another copy or {instead}"
        ) from error
    except LayoutError as error:
        raise StyleganError(
            f"{path} holds {error}, and not one tensor, or several of one shape; save the tensor itself with "
            "torch.save, or as .npy"
        ) from None
    except MALFORMED as error:
        raise StyleganError(
            f"{path} was refused: it is damaged or not what it seems ({type(error).__name__} while reading it); "
            f"nothing in it was run, use another copy or {instead}"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError from error  # nothing is wrong with the file
        raise StyleganError(f"{path} cannot be read ({error.strerror or error}); use another file") from error


def _map(path: Path) -> memoryview:
    """The file's bytes, mapped: only the parts that are accessed are read."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError("it is not a file")
    if about.st_size == 0:
        raise RefusedError("it is empty")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _is_safetensors(data: memoryview) -> bool:
    """Whether a file begins with the length of its header in eight bytes, then JSON."""
    return len(data) > 9 and data[8] == ord("{") and int.from_bytes(data[:8], "little") < 1 << 40


TRAINING = {"g", "d", "average"}  # how the names of tensors begin in a checkpoint of training


def _native(path: Path) -> Checkpoint:
    try:
        metadata, tensors = tensorfile.read(path)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    if {name.partition(".")[0] for name in tensors} >= TRAINING:
        raise RefusedError(
            "it is a checkpoint to continue training from; the models are in the folder above: "
            "network-snapshot.safetensors and network-best.safetensors"
        )
    if missing := {"architecture", "config", "sha256"} - set(metadata):
        raise RefusedError(f"it is another program's safetensors file: its header has no {', '.join(sorted(missing))}")
    family, config = metadata["architecture"], metadata["config"]
    if digest(family, config, tensors) != metadata["sha256"]:
        raise RefusedError("its contents do not match its sha256: it is damaged")
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise RefusedError("it has tensors that do not hold floating-point numbers")
    # Copies: Windows does not replace a file that is mapped, and a run replaces its model while others draw with it.
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    network = Network(family, json.loads(config), copies)
    check(family, network.config, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    notes = json.loads(metadata.get("notes", "{}"))
    if not isinstance(notes, dict):
        raise RefusedError(f"its notes are {shown(notes)}, not a table")
    return Checkpoint("stylegan model file", network, notes=notes, sha256=metadata["sha256"])


def _foreign(path: Path, data: memoryview) -> Checkpoint:
    drafts = _drafts(_tree(path, data))

    def later(draft: Callable[[], Draft | EncoderDraft] | None) -> Callable[[], Network] | None:
        return None if draft is None else lambda: _load(path, draft, len(data))

    return Checkpoint(
        drafts.format,
        drafts.generator.load(len(data)),
        later(drafts.discriminator),
        later(drafts.training_generator),
        drafts.notes,
        encoder=later(drafts.encoder),
    )


def _load(path: Path, draft: Callable[[], Draft | EncoderDraft], room: int) -> Network:
    with _refusing(path, "another model"):
        return draft().load(room)


def _tree(path: Path, data: memoryview) -> Any:
    """The plain values in a pickle or a PyTorch file."""
    start = bytes(data[:256])
    if start.startswith(b"PK\x03\x04"):
        return torchfile.read_zip(path, data)
    if start[0] == 0x80 and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return torchfile.read_pickle(data)
    if bytes(data[257:262]) == b"ustar":
        raise RefusedError("it is a tar archive: unpack it first")
    for begin, what in STRANGERS.items():
        if start.lstrip().lower().startswith(begin):
            raise RefusedError(f"it is {what}")
    raise RefusedError(f"its format is unknown (known formats: {KNOWN})")


def _drafts(tree: Any) -> Drafts:
    """Reads the checkpoint with the right project's reader, by the kinds and names of its values."""
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, tuple | list) else ()
    kinds = {value.name for value in values if isinstance(value, Record)}
    if isinstance(tree, dict):
        if "module" in kinds:
            return nvidia_torch.read(tree)
        if rosinality.is_generator(tree) or "g_ema" in tree or rosinality.is_generator(tree.get("g")):
            return rosinality.read(tree)
        for is_checkpoint, read_checkpoint in READERS:
            if is_checkpoint(tree):
                return read_checkpoint(tree)
        if rosinality.is_style_based(tree):
            raise RefusedError(rosinality.STYLE_BASED)
        models = tree.get("models", tree)  # genforce's training checkpoints have more beside them
        if "generator_smooth" in models or "generator" in models:
            return genforce.read(models)
    elif "network" in kinds:
        return nvidia_tensorflow.read(tree)
    elif isinstance(tree, Stored):
        raise RefusedError("it is a single tensor: give it where latents or directions are asked for")
    raise RefusedError(f"it holds no network of a known kind (known files: {KNOWN})")
