"""Files made to break the reader: each is refused in one sentence, soon, in little memory, and nothing in it runs."""

from __future__ import annotations

import copy
import errno
import io
import json
import mmap
import os
import pickle
import random
import struct
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import memory
import numpy as np
import pytest
import torch
from forge import NAMES, tensorflow

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError
from stylegan_cli.importers import torchfile

PROTO = b"\x80\x04"


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def name(module: str, attribute: str) -> bytes:
    return short(module) + short(attribute) + b"\x93"


def binary(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


class Run:
    """Pickles as a call of `function` (a function, or what another call gives)."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


def refused(
    tmp_path: Path, content: bytes, said: str, ending: str = ".pkl", part: Callable[[importers.Checkpoint], Any] = id
) -> None:
    """That `content`, or the `part` of it that is asked for, is refused in one sentence with these words, and what it
    costs."""
    path = tmp_path / f"hostile{ending}"
    path.write_bytes(content)
    start = time.process_time()
    with memory.at_most(300_000), pytest.raises(StyleganError) as caught:
        part(importers.read(path))
    assert time.process_time() - start < 20
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert said in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert sentence.isascii()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_runs(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    bombs = {
        "posix.system": Run(os.system, f"touch {canary}"),
        "builtins.eval": Run(eval, f"open({str(canary)!r}, 'w')"),
        "builtins.exec": Run(exec, f"open({str(canary)!r}, 'w')"),
        "builtins.__import__": Run(getattr, Run(__import__, "os"), "system"),
        "io.open": Run(io.open, str(canary), "w"),
    }
    for asked, bomb in bombs.items():
        for tree in (bomb, {"G_ema": bomb}, [{"a": [bomb]}], {"g_ema": {"x": 1}, "args": bomb}):
            said = f".{asked.split('.')[1]}, which no StyleGAN checkpoint needs"
            refused(tmp_path, pickle.dumps(tree, protocol), said)
    assert not canary.exists()


def test_nothing_runs_that_is_left_out(tmp_path: Path) -> None:
    """Names from packages that only fill what lies beside a generator are read, and stand for nothing."""
    for module, attribute in (
        ("builtins", "getattr"),
        ("dill._dill", "_create_function"),
        ("timm.models", "create_model"),
    ):
        called = name(module, attribute) + short("x") + b"\x85R"
        again = called + short("y") + b"\x85R}b"
        refused(tmp_path, PROTO + called + b".", "it holds no network of a known kind")
        refused(tmp_path, PROTO + again + b".", "it holds no network of a known kind")
    refused(tmp_path, PROTO + name("timmy", "x") + b".", "it asks for timmy.x, which no StyleGAN checkpoint needs")


def test_nothing_runs_in_torch_files(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    tree = {"g_ema": {}, "args": Run(os.system, f"touch {canary}")}
    refused(tmp_path, forge.zipped(tree), "posix.system", ".pt")
    blob = forge.zipped(tree, _use_new_zipfile_serialization=False)
    refused(tmp_path, blob, "posix.system", ".pt")
    refused(tmp_path, PROTO + name("torch.storage", "_load_from_bytes") + binary(blob) + b"\x85R.", "posix.system")
    assert not canary.exists()


def test_allowed_names_are_not_what_they_name(tmp_path: Path) -> None:
    """Names on the list stand for this reader's own stand-ins: odd arguments give refusals, not behaviour."""
    for module, attribute in (
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch.storage", "_load_from_bytes"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("torch_utils.persistence", "_reconstruct_persistent_obj"),
        ("argparse", "Namespace"),
        ("torch", "FloatStorage"),
    ):
        for arguments in (b")", b"K\x01\x85", short("x") + b"\x85", b"N\x85", b"K\x01K\x02\x86", b"]", b"}\x85"):
            for ending in (b"R.", b"R}b.", b"R(K\x01K\x02K\x03K\x04K\x05tb.", b"\x81."):
                refused(tmp_path, PROTO + name(module, attribute) + arguments + ending, "was refused: it ")


def rebuilt(count: int, shape: bytes, stride: bytes, offset: bytes = b"K\x00") -> bytes:
    """A PyTorch tensor over a storage of `count` floats, with any shape and stride."""
    blob = forge.zipped(
        torch.storage.TypedStorage(count, dtype=torch.float32, _internal=True), _use_new_zipfile_serialization=False
    )
    storage = name("torch.storage", "_load_from_bytes") + binary(blob) + b"\x85R"
    return PROTO + name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + offset + shape + stride + b"\x89NtR."


def big(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


HUGE = 1 << 39
LENGTHS = {
    "short bytes": (b"B" + struct.pack("<I", 2**32 - 1) + b"x", "truncated: it announces 4294967295 bytes"),
    "long bytes": (b"\x8e" + struct.pack("<Q", 2**63) + b"x", "truncated: it announces 9223372036854775808 bytes"),
    "byte array": (b"\x96" + struct.pack("<Q", 2**40) + b"x", "truncated: it announces 1099511627776 bytes"),
    "text": (b"X" + struct.pack("<I", 2**31) + b"x", "truncated: it announces 2147483648 bytes"),
    "long text": (b"\x8d" + struct.pack("<Q", 2**62) + b"x", "truncated: it announces 4611686018427387904 bytes"),
    "long number": (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x", "unknown instruction 139"),
    "frame": (b"\x95" + struct.pack("<Q", 2**62), "IndexError"),  # a frame's length is not believed at all
}
NUMPY = name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
FLOAT = name("numpy", "dtype") + short("f4") + b"\x89\x88\x87R"
OBJECT = name("numpy", "dtype") + short("O8") + b"\x89\x88\x87R"


@pytest.mark.parametrize("which", LENGTHS)
def test_lying_lengths(tmp_path: Path, which: str) -> None:
    content, said = LENGTHS[which]
    refused(tmp_path, PROTO + content + b".", said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (rebuilt(4, b"(" + big(HUGE) + b"t", b"(K\x01t"), "does not fit its 4 stored numbers"),
        (rebuilt(4, b"(" + big(HUGE) + b"t", b"(K\x00t"), "does not fit its 4 stored numbers"),
        (rebuilt(4, b"(" + big(HUGE) * 8 + b"t", b"(" + b"K\x00" * 8 + b"t"), "does not fit its 4 stored numbers"),
        (rebuilt(4, b"(" + b"K\x02" * 64 + b"t", b"(" + b"K\x00" * 64 + b"t"), "has an impossible shape"),
        (rebuilt(4, b"(K\x04t", b"(K\x01t", big(HUGE)), "does not fit its 4 stored numbers"),
        (rebuilt(4, b"(K\x04t", b"(K\x01t", big(-4)), "has an impossible shape"),
        (rebuilt(4, b"(J\xff\xff\xff\xfft", b"(K\x01t"), "has an impossible shape"),
        (rebuilt(4, b"(G\x40\x10\x00\x00\x00\x00\x00\x00t", b"(K\x01t"), "has an impossible shape"),
        (PROTO + NUMPY + b"(K\x01(" + big(HUGE) + b"t" + FLOAT + b"\x89C\x04abcdtb.", "but has 4 bytes"),
        (PROTO + NUMPY + b"(K\x01(" + big(HUGE) * 7 + b"t" + FLOAT + b"\x89C\x04abcdtb.", "but has 4 bytes"),
        (
            PROTO + NUMPY + b"(K\x01(" + b"\x8a\xff" + b"\x7f" * 255 + b"t" + FLOAT + b"\x89C\x04abcdtb.",
            "has an impossible shape",
        ),
        (PROTO + NUMPY + b"(K\x01(K\x01t" + OBJECT + b"\x89]K\x01atb.", "type <O8, not of plain numbers"),
        (PROTO + name("numpy.core.multiarray", "scalar") + OBJECT + b"C\x08abcdefgh\x86R.", "type <O8, not of plain"),
    ],
)
def test_lying_shapes(tmp_path: Path, content: bytes, said: str) -> None:
    refused(tmp_path, content, said)


def doubling(levels: int) -> bytes:
    """A list of twice the list before: a billion laughs, in as many steps as levels."""
    body = b"]\x94"
    for n in range(levels):
        body += b"]\x94(" + recalled(n) * 2 + b"e"
    return body


def doubling_tuples(levels: int) -> bytes:
    return b")\x94" + b"".join(recalled(n) * 2 + b"\x86\x94" for n in range(levels))


def recalled(index: int) -> bytes:
    return b"h" + bytes([index])


# To build values without end, and to take them up again. With more levels, tests would hang where now they fail after a
# second or two. The deep ones crash whatever follows them down.
LEVELS = 24
ENDLESS = {
    "list": (doubling(LEVELS), recalled(LEVELS)),
    "tuple": (doubling_tuples(LEVELS), recalled(LEVELS)),
    "deep tuple": (b"N" + b"\x85" * 200_000 + b"\x94", recalled(0)),
}
DICT, SIZE = name("collections", "OrderedDict"), name("torch", "Size")
STEPS, NO_NETWORK = "more than 1000000 steps", "no network of a known kind"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PROTO + b"]" * 3_000_000 + b".", STEPS),
        (PROTO + b"]\x94" * 900_000 + b".", STEPS),
        (PROTO + b"(" * 3_000_000 + b".", STEPS),
        (PROTO + b"]" * 400_000 + b"a" * 399_999 + b".", NO_NETWORK),
        (PROTO + b"N" + b"\x85" * 900_000 + b".", NO_NETWORK),
        (PROTO + doubling(200) + b".", NO_NETWORK),
        (PROTO + b"}" + short("G_ema") + doubling(200) + b"s.", "TypeError"),
        (PROTO + b"}" + short("g_ema") + doubling(200) + b"s.", "TypeError"),
        # The same long list, dict or tuple, copied again and again.
        (
            PROTO + short("a") + b"N\x86\x94]\x94(" + b"h\x00" * 200_000 + b"e" + (DICT + b"h\x01\x85R") * 100 + b".",
            STEPS,
        ),
        (PROTO + b"]\x94(" + b"N" * 200_000 + b"e" + (SIZE + b"h\x00\x85R") * 100 + b".", STEPS),
        (
            PROTO
            + b"("
            + b"N" * 500_000
            + b"t\x94"
            + (name("torch._utils", "_rebuild_parameter") + b"h\x00R") * 9
            + b".",
            STEPS,
        ),
        # Numbers that all have the same hash.
        (
            PROTO
            + b"}("
            + b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N" for k in range(99_999))
            + b"u.",
            "as a key",
        ),
        # A long name of an allowed package, again and again.
        (
            PROTO
            + b"X"
            + struct.pack("<I", 10**6)
            + b"torch.nn."
            + b"a" * (10**6 - 9)
            + b"\x94"
            + short("a")
            + b"\x94"
            + b"h\x00h\x01\x930" * 100_000
            + b".",
            "something without a name",
        ),
        # A list within itself.
        (PROTO + b"]\x94h\x00a.", NO_NETWORK),
        (PROTO + b"}\x94" + short("G_ema") + b"h\x00s.", NO_NETWORK),
        # A name that is as long as a program.
        (PROTO + b"}X" + struct.pack("<I", 1000) + b"x" * 1000 + b"Ns.", "as a key"),
    ],
)
def test_floods(tmp_path: Path, content: bytes, said: str) -> None:
    refused(tmp_path, content, said)


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_values(tmp_path: Path, kind: str) -> None:
    """None is hashed, printed or followed down, wherever it stands."""
    built, value = ENDLESS[kind]
    what = kind.removeprefix("deep ")
    not_plain = f"an array of type a {what}, not of plain numbers"
    array = PROTO + built + NUMPY + b"(K\x01(K\x01t"
    refused(tmp_path, array + name("numpy", "dtype") + value + b"\x85R\x89C\x04abcdtb.", not_plain)
    refused(tmp_path, array + FLOAT + b"(K\x03" + value + b"tb\x89C\x04abcdtb.", not_plain)
    refused(tmp_path, PROTO + built + b"}" + value + b"Ns.", f"a dict with a {what} as a key")
    refused(tmp_path, PROTO + built + DICT + b"]" + value + b"N\x86a\x85R.", f"a dict with a {what} as a key")
    keys = PROTO + built + b"](" + value + b"e."
    refused(tmp_path, legacy(PROTO + b"N.", keys), "its contents do not match")
    storage = PROTO + built + b"(" + short("storage") + name("torch", "FloatStorage") + value + b"NK\x00tQ."
    refused(tmp_path, legacy(storage, PROTO + b"]."), "storage of an unknown kind")


def legacy(value: bytes, keys: bytes) -> bytes:
    """A file in PyTorch's old format, without numbers."""
    return b"\x80\x02" + torchfile.LEGACY_START + PROTO + b"K\x01." + PROTO + b"}." + value + keys


def test_the_same_text_again_and_again(tmp_path: Path) -> None:
    """Inner files share the budget of the outer one, and reading a long text takes more than a step."""
    text = b"X" + struct.pack("<I", 1 << 20) + bytes(1 << 20)
    storage = b"(" + short("storage") + name("torch", "FloatStorage") + short("0") + short("cpu") + b"K\x00tQ"
    blob = legacy(PROTO + text + storage + b".", PROTO + b"]" + short("0") + b"a.") + bytes(8)
    load = name("torch.storage", "_load_from_bytes") + b"\x94" + binary(blob) + b"\x94"
    refused(tmp_path, PROTO + load + b"h\x00h\x01\x85R" * 300 + b".", STEPS)


def test_bytes_in_the_place_of_a_tuple(tmp_path: Path) -> None:
    """Unpacked, they take eight times their room."""
    content = PROTO + binary(bytes(50_000_000)) + b"Q."
    refused(tmp_path, archive({"a/data.pkl": content}), "storage of an unknown kind", ".pt")


def test_modules_within_themselves(tmp_path: Path) -> None:
    fields = b"".join(short(field) + b"}\x94" for field in ("_parameters", "_buffers", "_modules"))  # memo 1, 2, 3
    meta = b"}" + short("state") + b"}\x94(" + fields + b"us"
    module = name("torch_utils.persistence", "_reconstruct_persistent_obj") + meta + b"\x85R\x94"  # memo 4
    into_itself = short("x") + b"h\x03" + short("again") + b"h\x04s"
    refused(
        tmp_path, PROTO + b"}" + short("G_ema") + module + b"s" + into_itself + b"s.", "not consist of NVIDIA's modules"
    )


def test_modules_without_end(tmp_path: Path) -> None:
    """Thirty levels, each of a hundred times the level below: 10^60 modules for whoever counts them all."""
    module = forge.Module({"state": {"_parameters": {}, "_buffers": {}, "_modules": {}}})
    for _ in range(30):
        modules = {f"m{n}": module for n in range(100)}
        module = forge.Module({"state": {"_parameters": {}, "_buffers": {}, "_modules": modules}})
    refused(tmp_path, forge.dumps({"G_ema": module}), "does not consist of NVIDIA's modules")
    modules = dict.fromkeys(map(str, range(10_001)))
    module = forge.Module({"state": {"_parameters": {}, "_buffers": {}, "_modules": modules}})
    refused(tmp_path, forge.dumps({"G_ema": module}), "more than 10000 modules")


def test_the_same_tensors_in_many_modules(tmp_path: Path) -> None:
    tensors = dict.fromkeys(map(str, range(1000)))
    module = forge.Module({"state": {"_parameters": tensors, "_buffers": {}, "_modules": {}}})
    modules = {f"m{n}": module for n in range(100)}
    module = forge.Module({"state": {"_parameters": {}, "_buffers": {}, "_modules": modules}})
    refused(tmp_path, forge.dumps({"G_ema": module}), "more than 20000 tensors")
    part = forge.Network({"variables": list(tensors.items()), "components": {}, "static_kwargs": {}})
    network = forge.Network({"variables": [], "components": dict.fromkeys(modules, part), "static_kwargs": {}})
    refused(tmp_path, forge.dumps((network, network, network)), "more than 20000 tensors")


@pytest.mark.parametrize(
    "names",
    [
        ("conv1.conv.modulation.weight", "to_rgbs.{}.bias"),
        ("GE.initial_conv.weight", "GE.blocks.{}.conv1.weight"),
    ],
)
def test_resolutions_without_end(tmp_path: Path, names: tuple[str, str]) -> None:
    """Each is twice the one before: soon it takes long only to write them down."""
    one, many = names
    state = {one: torch.zeros(1)} | dict.fromkeys((many.format(n) for n in range(5000)), torch.zeros(1))
    refused(tmp_path, forge.zipped(state, _use_new_zipfile_serialization=False), "resolutions", ".pt")


def test_persistent_ids(tmp_path: Path) -> None:
    refused(tmp_path, PROTO + short("x") + b"Q.", "a persistent id")
    refused(tmp_path, PROTO + b"Px\n.", "unknown instruction 80")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\x80", "its format is unknown"),
        (b"\x80\x04", "it is damaged"),
        (b"\x80\x04.", "it is damaged"),
        (b"\x80\x04N", "it is damaged"),
        (b"\x80\x04N.", NO_NETWORK),
        (b"\x80\x09N.", "its format is unknown"),
    ],
)
def test_short_files(tmp_path: Path, content: bytes, said: str) -> None:
    refused(tmp_path, content, said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello world\n" * 10, "its format is unknown"),
        (b"\x00" * 5000, "its format is unknown"),
        (b"<!DOCTYPE html><html>Google Drive", "a web page, perhaps sent in place of the file"),
        (b"<!doctype html>\n<html lang=en>", "web page"),
        (b"\r\n\n  <HTML><HEAD>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x1f\x8b\x08" + b"\x00" * 50, "gzip"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "XML text, perhaps a server's error message"),
        (b'{"error": "Not found"}', "JSON text, and neither a model nor latents"),
        (b"g_ema.pt" + b"\x00" * 249 + b"ustar\x0000" + b"\x00" * 249, "tar archive: unpack it"),
        (forge.zipped(torch.zeros(1, 8)), "a single tensor: give it where latents or directions are asked for"),
        (b"x" + random.Random(0).randbytes(4096), "its format is unknown"),
    ],
)
def test_strangers(tmp_path: Path, content: bytes, said: str) -> None:
    refused(tmp_path, content, said)


def test_numpy_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4))
    refused(tmp_path, buffer.getvalue(), "give it where latents are asked for", ".pt")
    buffer = io.BytesIO()
    np.savez(buffer, w=np.zeros(4))
    refused(tmp_path, buffer.getvalue(), "was not written by torch.save", ".pt")


def test_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing.pkl", tmp_path, tmp_path / "pipe"):
        with pytest.raises(StyleganError, match="cannot be read"):
            importers.read(path)


def test_too_little_memory_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    (tmp_path / "model.pkl").write_bytes(PROTO)
    monkeypatch.setattr(mmap, "mmap", full)
    with pytest.raises(MemoryError):
        importers.read(tmp_path / "model.pkl")


def endless(kind: type) -> Any:
    value = kind()
    for _ in range(LEVELS):
        value = kind([value, value])
    return value


BEYOND = "is out of range"


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize(
    ("version", "option", "said"),
    [
        (2, "resolution", "resolution is a {}, but its tensors show 64"),
        (2, "resample_kernel", f"resample_filter {BEYOND}"),
        (2, "blur_filter", "blur_filter a {}, which is not supported"),
        (2, "mapping_lrmul", f"mapping_lr_multiplier {BEYOND}"),
        (1, "fused_scale", "fused_scale a {}, which is not supported"),
    ],
)
def test_endless_options(tmp_path: Path, kind: type, version: int, option: str, said: str) -> None:
    """Where a TensorFlow network says how it was built."""
    content = built_with(version, option, endless(kind))
    refused(tmp_path, content, said.format(kind.__name__))


def test_endless_options_of_a_discriminator(tmp_path: Path) -> None:
    content = built_with(2, "mbstd_group_size", endless(list))
    refused(tmp_path, content, f"mbstd_group_size {BEYOND}", part=lambda checkpoint: checkpoint.discriminator)


def test_bytes_in_the_place_of_a_filter(tmp_path: Path) -> None:
    refused(tmp_path, built_with(2, "resample_kernel", bytes(50_000_000)), f"resample_filter {BEYOND}")


def built_with(version: int, option: str, value: Any) -> bytes:
    """A TensorFlow pickle of StyleGAN or StyleGAN2, whose networks say this of themselves."""
    names = json.loads(json.dumps(NAMES[f"sg{version}tf_64.pkl"]))
    for network in names.values():
        network["static_kwargs"][option] = value
    generator, judge = tensorflow(names["Gs"]), tensorflow(names["D"])
    return forge.dumps((generator, judge, generator))


@pytest.mark.parametrize("kind", [list, tuple])
def test_endless_names_of_variables(tmp_path: Path, kind: type) -> None:
    network = tensorflow(NAMES["sg2tf_64.pkl"]["Gs"])
    network.state["variables"].append((endless(kind), np.float32(0)))
    refused(tmp_path, forge.dumps((network, network, network)), f"a variable with a {kind.__name__} as its name")


def test_many_large_filters(tmp_path: Path) -> None:
    """Each would be copied to be looked at."""
    large = torch.zeros(3000, 3000)
    tensors = {f"f{n}.resample_filter": large for n in range(100)}
    tensors |= {"synthesis.b4.conv1.weight": torch.zeros(1), "mapping.fc0.weight": torch.zeros(1)}
    said = {"synthesis.b4.conv1.conv_clamp": None, "mapping.fc0.bias_gain": 1.0, "mapping.w_avg_beta": 0.995}
    refused(tmp_path, forge.dumps({"G_ema": forge.module(tensors, said)}), "is not separable")


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for member, content in members.items():
            file.writestr(member, content)
    return buffer.getvalue()


STATE = b"\x80\x02}X\x05\x00\x00\x00g_ema}s."


def storage_pickle(count: bytes, kind: str = "storage") -> bytes:
    """A state dict with one tensor of `count` floats, whose storage is the member `data/0`."""
    identity = b"(" + short(kind) + b"ctorch\nFloatStorage\n" + short("0") + short("cpu") + count + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + b"K\x00(" + count + b"t(K\x01t\x89NtR"
    return b"\x80\x02}" + short("g_ema") + b"}" + short("input.input") + tensor + b"ss."


COMPRESSED, UNKNOWN, OTHER = "a compressed zip archive", "storage of an unknown kind", "was not written by torch.save"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (archive({"a/data.pkl": STATE + b"\x00" * 50_000_000}, zipfile.ZIP_DEFLATED), COMPRESSED),
        (
            archive({"a/data.pkl": storage_pickle(big(1 << 20)), "a/data/0": bytes(1 << 22)}, zipfile.ZIP_DEFLATED),
            COMPRESSED,
        ),
        (archive({"a/data.pkl": storage_pickle(big(HUGE)), "a/data/0": bytes(64)}), "but has 64 bytes"),
        (archive({"a/data.pkl": storage_pickle(big(-1)), "a/data/0": bytes(64)}), UNKNOWN),
        (archive({"a/data.pkl": storage_pickle(b"K\x10", "module"), "a/data/0": bytes(64)}), UNKNOWN),
        (archive({"a/data.pkl": storage_pickle(b"K\x10")}), "KeyError"),
        (archive({"a/data.pkl": STATE, "b/data.pkl": STATE}), OTHER),
        (archive({"a/data.pkl": STATE, "a/constants.pkl": STATE}), OTHER),
        (archive({"a/data.pkl": STATE}), "KeyError"),
        (archive({}), "its format is unknown"),
        (archive({f"a/data/{n}": b"" for n in range(20_000)}), OTHER),
        (archive({"a/data.pkl": STATE})[:-10], "zip directory is damaged"),
        (archive({"a/data.pkl": STATE})[:40], "zip directory is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "zip",  # whose bytes tell the time
)
def test_zip_files(tmp_path: Path, content: bytes, said: str) -> None:
    refused(tmp_path, content, said, ".pt")


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """Each would be read, and its checksum computed, as if they were many."""
    storages = b"".join(
        b"(" + short("storage") + name("torch", "FloatStorage") + short(str(key)) + short("cpu") + big(1 << 18) + b"tQ"
        for key in range(20)
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/data.pkl", PROTO + storages + b".")
        file.writestr("a/data/0", bytes(1 << 20))
        for key in range(1, 20):
            twin = copy.copy(file.getinfo("a/data/0"))
            twin.filename = f"a/data/{key}"
            file.filelist.append(twin)
    refused(tmp_path, buffer.getvalue(), "together are larger than the file", ".pt")


def test_zip_directory_that_lies(tmp_path: Path) -> None:
    good = bytearray(archive({"a/data.pkl": STATE}))
    central, end = good.index(b"PK\x01\x02"), good.index(b"PK\x05\x06")
    for at, layout, value, said in (
        (central + 20, "<I", 2**32 - 1, COMPRESSED),  # compressed size
        (central + 24, "<I", 2**32 - 1, COMPRESSED),  # size
        (central + 42, "<I", 2**32 - 2, "it is damaged"),  # offset of the member
        (central + 16, "<I", 1, "checksum"),
        (central + 10, "<H", 99, COMPRESSED),  # compression
        (end + 12, "<I", 2**32 - 2, "zip directory is damaged"),  # size of the directory
        (end + 16, "<I", 2**32 - 2, "it is damaged"),  # offset of the directory
    ):
        bad = bytearray(good)
        struct.pack_into(layout, bad, at, value)
        refused(tmp_path, bytes(bad), said, ".pt")


def header(entries: dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


NOTHING = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
DAMAGED, INCOMPLETE = (
    "a damaged safetensors file",
    "another program's safetensors file: its header has no architecture, config, sha256",
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header({}), INCOMPLETE),
        (header({}, length=2**39), "claims 549755813888 bytes"),
        (header({}, length=2**63), "its format is unknown"),
        (header({}, length=50_000_000), "claims 50000000 bytes"),
        (header({"w": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}, bytes(16)), DAMAGED),
        (header({"w": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 16]}}, bytes(16)), DAMAGED),
        (header({"w": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}, bytes(16)), DAMAGED),
        (header({"w": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]}}, bytes(16)), DAMAGED),
        (header({"w": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)), DAMAGED),
        (header({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)), INCOMPLETE),
        (header({"w": 1}, bytes(16)), DAMAGED),
        (
            header({f"{who}.w": NOTHING for who in ("g", "d", "average")}),
            "a checkpoint to continue training from; the models are in the folder above",
        ),
        (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, DAMAGED),
        (header({"__metadata__": {"architecture": "stylegan2", "config": "{}", "sha256": "0"}}), "match its sha256"),
        (
            header({"__metadata__": {"architecture": "os.system", "config": "[" * 100_000, "sha256": "0"}}),
            "match its sha256",
        ),
    ],
)
def test_safetensors(tmp_path: Path, content: bytes, said: str) -> None:
    refused(tmp_path, content, said, ".safetensors")


def test_no_recursion(tmp_path: Path) -> None:
    """Nesting costs no stack: it is refused the same way in a thread with a small one."""
    outcome: list[BaseException | None] = []

    def work() -> None:
        try:
            refused(tmp_path, PROTO + b"]" * 400_000 + b"a" * 399_999 + b".", NO_NETWORK)
            outcome.append(None)
        except BaseException as error:  # noqa: BLE001 (reported below)
            outcome.append(error)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert outcome == [None]
    assert sys.getrecursionlimit() < 10_000
