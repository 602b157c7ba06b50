"""Damaged files: whatever happens to a checkpoint, it is read as whole tensors or refused in a sentence."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import forge
import pytest
import torch
from forge import stylegan2, write

from stylegan_cli import architectures, importers, modelfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.importers import rosinality

# Changes a file at places that the second function chooses.
Mutation = Callable[[bytearray, Callable[[], int], random.Random], None]


def seeds(tmp_path: Path) -> dict[str, bytes]:
    """Small files of every kind."""
    network = stylegan2(resolution=8, channel_max=2, w_dim=2, z_dim=2)
    exported = rosinality.export(network)
    modelfile.save(importers.generator(importers.Checkpoint("", network), ""), tmp_path / "x.safetensors", {})
    golden = Path(__file__).parents[1] / "golden"
    return {
        "rosinality zip": forge.zipped(exported),
        "rosinality legacy": forge.zipped(exported, _use_new_zipfile_serialization=False),
        "safetensors": (tmp_path / "x.safetensors").read_bytes(),
        "ada": (golden / "imp_sg2ada_c_32_clamp.pkl").read_bytes(),
        "tensorflow": (golden / "imp_sg1tf_32_cond3.pkl").read_bytes(),
        "lucidrains": (golden / "imp_lucidrains_32_alpha.pt").read_bytes(),
    }


def flip(content: bytearray, place: Callable[[], int], chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 4, 30])):
        content[place()] ^= 1 << chance.randrange(8)


def replace(content: bytearray, place: Callable[[], int], chance: random.Random) -> None:
    for _ in range(chance.choice([1, 2, 5])):
        content[place()] = chance.randrange(256)


def truncate(content: bytearray, place: Callable[[], int], chance: random.Random) -> None:
    del content[place() :]


def delete(content: bytearray, place: Callable[[], int], chance: random.Random) -> None:
    start = place()
    del content[start : start + chance.choice([1, 2, 8, 100])]


def insert(content: bytearray, place: Callable[[], int], chance: random.Random) -> None:
    start = place()
    content[start:start] = chance.randbytes(chance.choice([1, 2, 8]))


def splice(content: bytearray, place: Callable[[], int], chance: random.Random) -> None:
    start, end = place(), place()
    size = chance.choice([4, 40, 400])
    content[start : start + size] = content[end : end + size]


MUTATIONS: list[Mutation] = [flip, replace, truncate, delete, insert, splice]
LARGE = 100_000  # bytes: reading takes ten times as long
WORD = re.compile(rb"[A-Za-z_.]{5,}")


def places(content: bytes, chance: random.Random) -> Callable[[], int]:
    """Half of them anywhere, half near words: there is the structure, and elsewhere mostly weights."""
    words = [word.start() for word in WORD.finditer(content)]

    def place() -> int:
        near = chance.choice(words) + chance.randrange(-24, 24)
        return min(max(near, 0), len(content) - 1) if chance.random() < 0.5 else chance.randrange(len(content))

    return place


@cache
def built(family: str, config: str) -> torch.nn.Module:
    """Many damaged files hold the same network."""
    return architectures.build(family, json.loads(config))


def attempt(path: Path, content: bytes) -> bool:
    """Whether `content` is read; if so its tensors fit their networks."""
    path.write_bytes(content)
    try:
        checkpoint = importers.read(path)
        networks = (checkpoint.generator, checkpoint.training_generator)
        judge = checkpoint.discriminator
    except StyleganError as error:
        assert "\n" not in str(error)
        return False
    for network in networks:
        if network:
            built(network.family, json.dumps(network.config)).load_state_dict(network.tensors, assign=True)
    assert all(
        isinstance(tensor, torch.Tensor)
        for network in (*networks, judge)
        if network
        for tensor in network.tensors.values()
    )
    return True


def fuzz(tmp_path: Path, rounds: int, seed: int) -> None:
    chance, path = random.Random(seed), tmp_path / "fuzzed"
    for name, content in seeds(tmp_path).items():
        assert attempt(path, content), name
        place = places(content, chance)
        for _ in range(rounds if len(content) < LARGE else rounds // 2):
            mutated = bytearray(content)
            chance.choice(MUTATIONS)(mutated, place, chance)
            attempt(path, bytes(mutated))


def test_fuzz(tmp_path: Path) -> None:
    fuzz(tmp_path, 60, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 2))
def test_fuzz_for_longer(tmp_path: Path, seed: int) -> None:
    fuzz(tmp_path, 400, seed)


def test_damaged_weights_in_zip_files_are_noticed(tmp_path: Path) -> None:
    """A zip has checksums; a pickle has none, and a changed weight in it cannot be told from another model."""
    content = bytearray(seeds(tmp_path)["rosinality zip"])
    weight = rosinality.export(stylegan2(resolution=8, channel_max=2, w_dim=2, z_dim=2))["g_ema"]["convs.1.conv.weight"]
    content[content.index(weight.numpy().tobytes())] ^= 1
    with pytest.raises(StyleganError, match="checksum"):
        importers.read(write(tmp_path, bytes(content)))
