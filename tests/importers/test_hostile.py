"""Files made to break the reader: each is refused in one sentence, soon, in little memory, and nothing in it runs."""

from __future__ import annotations

import errno
import io
import json
import mmap
import os
import pickle
import random
import resource
import struct
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import numpy as np
import pytest
import torch
from test_layouts import NAMES, tensorflow

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError

PROTO = b"\x80\x04"


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def name(module: str, attribute: str) -> bytes:
    return short(module) + short(attribute) + b"\x93"


class Run:
    """Pickles as a call of `function` (a function, or what another call gives)."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


def refused(tmp_path: Path, content: bytes, ending: str = ".pkl") -> str:
    """The sentence that `content` is refused with; checks that it is one, and what it cost."""
    path = tmp_path / f"hostile{ending}"
    path.write_bytes(content)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(StyleganError) as caught:
        importers.read(path)
    assert time.perf_counter() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert sentence.isascii()
    return sentence


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_runs(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    bombs = {
        "posix.system": Run(os.system, f"touch {canary}"),
        "builtins.eval": Run(eval, f"open({str(canary)!r}, 'w')"),
        "builtins.exec": Run(exec, f"open({str(canary)!r}, 'w')"),
        "builtins.getattr": Run(getattr, Run(__import__, "os"), "system"),
        "io.open": Run(io.open, str(canary), "w"),
    }
    for asked, bomb in bombs.items():
        for tree in (bomb, {"G_ema": bomb}, [{"a": [bomb]}], {"g_ema": {"x": 1}, "args": bomb}):
            sentence = refused(tmp_path, pickle.dumps(tree, protocol))
            assert f".{asked.split('.')[1]}, which no StyleGAN checkpoint needs" in sentence
    assert not canary.exists()


def test_nothing_runs_in_torch_files(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    tree = {"g_ema": {}, "args": Run(os.system, f"touch {canary}")}
    assert "posix.system" in refused(tmp_path, forge.zipped(tree), ".pt")
    assert "posix.system" in refused(tmp_path, forge.zipped(tree, _use_new_zipfile_serialization=False), ".pt")
    blob = forge.zipped(tree, _use_new_zipfile_serialization=False)
    inner = PROTO + name("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(blob)) + blob + b"\x85R."
    assert "posix.system" in refused(tmp_path, inner)
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
                refused(tmp_path, PROTO + name(module, attribute) + arguments + ending)


def rebuilt(count: int, shape: bytes, stride: bytes, offset: bytes = b"K\x00") -> bytes:
    """A PyTorch tensor over a storage of `count` floats, with any shape and stride."""
    blob = forge.zipped(
        torch.storage.TypedStorage(count, dtype=torch.float32, _internal=True), _use_new_zipfile_serialization=False
    )
    storage = name("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(blob)) + blob + b"\x85R"
    return PROTO + name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + offset + shape + stride + b"\x89NtR."


def big(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


HUGE = 1 << 39
LENGTHS = {
    "short bytes": b"B" + struct.pack("<I", 2**32 - 1) + b"x",
    "long bytes": b"\x8e" + struct.pack("<Q", 2**63) + b"x",
    "byte array": b"\x96" + struct.pack("<Q", 2**40) + b"x",
    "text": b"X" + struct.pack("<I", 2**31) + b"x",
    "long text": b"\x8d" + struct.pack("<Q", 2**62) + b"x",
    "long number": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x",
    "frame": b"\x95" + struct.pack("<Q", 2**62),
}
NUMPY = name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
FLOAT = name("numpy", "dtype") + short("f4") + b"\x89\x88\x87R"
OBJECT = name("numpy", "dtype") + short("O8") + b"\x89\x88\x87R"


@pytest.mark.parametrize("which", LENGTHS)
def test_lying_lengths(tmp_path: Path, which: str) -> None:
    refused(tmp_path, PROTO + LENGTHS[which] + b".")


@pytest.mark.parametrize(
    "content",
    [
        rebuilt(4, b"(" + big(HUGE) + b"t", b"(K\x01t"),
        rebuilt(4, b"(" + big(HUGE) + b"t", b"(K\x00t"),
        rebuilt(4, b"(" + big(HUGE) * 8 + b"t", b"(" + b"K\x00" * 8 + b"t"),
        rebuilt(4, b"(" + b"K\x02" * 64 + b"t", b"(" + b"K\x00" * 64 + b"t"),
        rebuilt(4, b"(K\x04t", b"(K\x01t", big(HUGE)),
        rebuilt(4, b"(K\x04t", b"(K\x01t", big(-4)),
        rebuilt(4, b"(J\xff\xff\xff\xfft", b"(K\x01t"),
        rebuilt(4, b"(G\x40\x10\x00\x00\x00\x00\x00\x00t", b"(K\x01t"),
        PROTO + NUMPY + b"(K\x01(" + big(HUGE) + b"t" + FLOAT + b"\x89C\x04abcdtb.",
        PROTO + NUMPY + b"(K\x01(" + big(HUGE) * 7 + b"t" + FLOAT + b"\x89C\x04abcdtb.",
        PROTO + NUMPY + b"(K\x01(" + b"\x8a\xff" + b"\x7f" * 255 + b"t" + FLOAT + b"\x89C\x04abcdtb.",
        PROTO + NUMPY + b"(K\x01(K\x01t" + OBJECT + b"\x89]K\x01atb.",
        PROTO + name("numpy.core.multiarray", "scalar") + OBJECT + b"C\x08abcdefgh\x86R.",
    ],
)
def test_lying_shapes(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


def doubling(levels: int) -> bytes:
    """A list of twice the list before: a billion laughs, in as many steps as levels."""
    body = b"]\x94"
    for n in range(levels):
        body += b"]\x94(" + (b"h" + bytes([n])) * 2 + b"e"
    return body


@pytest.mark.parametrize(
    "content",
    [
        PROTO + b"]" * 3_000_000 + b".",
        PROTO + b"]\x94" * 900_000 + b".",
        PROTO + b"(" * 3_000_000 + b".",
        PROTO + b"]" * 400_000 + b"a" * 399_999 + b".",
        PROTO + b"N" + b"\x85" * 900_000 + b".",
        PROTO + b"}N" + b"\x85" * 900_000 + b"Ns.",
        PROTO + doubling(200) + b".",
        PROTO + b"}" + short("G_ema") + doubling(200) + b"s.",
        PROTO + b"}" + short("g_ema") + doubling(200) + b"s.",
        PROTO + doubling(200) + name("collections", "OrderedDict") + b"h\xc8\x85R.",
        # The same long list, copied again and again.
        PROTO + b"]\x94(" + b"N" * 200_000 + b"e" + (name("collections", "OrderedDict") + b"h\x00\x85R0") * 1000 + b".",
        PROTO + b"]\x94(" + b"N" * 200_000 + b"e" + (name("torch", "Size") + b"h\x00\x85R") * 100_000 + b".",
        # Numbers that all have the same hash.
        PROTO
        + b"}("
        + b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N" for k in range(99_999))
        + b"u.",
        # A list within itself.
        PROTO + b"]\x94h\x00a.",
        PROTO + b"}\x94" + short("G_ema") + b"h\x00s.",
    ],
)
def test_floods(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


def test_modules_within_themselves(tmp_path: Path) -> None:
    fields = b"".join(short(field) + b"}\x94" for field in ("_parameters", "_buffers", "_modules"))  # memo 1, 2, 3
    meta = b"}" + short("state") + b"}\x94(" + fields + b"us"
    module = name("torch_utils.persistence", "_reconstruct_persistent_obj") + meta + b"\x85R\x94"  # memo 4
    into_itself = short("x") + b"h\x03" + short("again") + b"h\x04s"
    assert "modules" in refused(tmp_path, PROTO + b"}" + short("G_ema") + module + b"s" + into_itself + b"s.")


def test_modules_without_end(tmp_path: Path) -> None:
    """Thirty levels, each of a hundred times the level below: 10^60 modules for whoever counts them all."""
    module = forge.Module({"state": {"_parameters": {}, "_buffers": {}, "_modules": {}}})
    for _ in range(30):
        modules = {f"m{n}": module for n in range(100)}
        module = forge.Module({"state": {"_parameters": {}, "_buffers": {}, "_modules": modules}})
    assert "modules" in refused(tmp_path, forge.dumps({"G_ema": module}))


def test_persistent_ids(tmp_path: Path) -> None:
    assert "persistent" in refused(tmp_path, PROTO + short("x") + b"Q.")
    refused(tmp_path, PROTO + b"Px\n.")


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x04", b"\x80\x04.", b"\x80\x04N", b"\x80\x04N.", b"\x80\x09N."]
)
def test_short_files(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello world\n" * 10, "no known kind"),
        (b"\x00" * 5000, "no known kind"),
        (b"<!DOCTYPE html><html>Google Drive", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x1f\x8b\x08" + b"\x00" * 50, "gzip"),
        (b"x" + random.Random(0).randbytes(4096), "no known kind"),
    ],
)
def test_strangers(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


def test_numpy_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4))
    assert "latents" in refused(tmp_path, buffer.getvalue(), ".pt")
    buffer = io.BytesIO()
    np.savez(buffer, w=np.zeros(4))
    assert "zip" in refused(tmp_path, buffer.getvalue(), ".pt")


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


def test_endless_options(tmp_path: Path) -> None:
    """A list that takes longer to print than the world has, where a TensorFlow network says its resolution."""
    endless: Any = []
    for _ in range(100):
        endless = [endless, endless]
    for option in ("resolution", "resample_kernel", "blur_filter", "fused_scale", "mapping_lrmul", "mbstd_group_size"):
        names = json.loads(json.dumps(NAMES["sg2tf_64.pkl"]))
        for network in names.values():
            network["static_kwargs"][option] = endless
        generator, judge = tensorflow(names["Gs"]), tensorflow(names["D"])
        if option != "fused_scale":  # which StyleGAN2 does not have
            refused(tmp_path, forge.dumps((generator, judge, generator)))


def test_many_large_filters(tmp_path: Path) -> None:
    """Each would be copied to be looked at."""
    large = torch.zeros(3000, 3000)
    filters = {f"f{n}.resample_filter": large for n in range(20_000)}
    state = {"_parameters": {}, "_buffers": filters, "_modules": {}, "img_resolution": 8}
    refused(tmp_path, forge.dumps({"G_ema": forge.Module({"state": state})}))


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


@pytest.mark.parametrize(
    "content",
    [
        archive({"a/data.pkl": STATE + b"\x00" * 50_000_000}, zipfile.ZIP_DEFLATED),
        archive({"a/data.pkl": storage_pickle(big(12_500_000)), "a/data/0": bytes(50_000_000)}, zipfile.ZIP_DEFLATED),
        archive({"a/data.pkl": storage_pickle(big(HUGE)), "a/data/0": bytes(64)}),
        archive({"a/data.pkl": storage_pickle(big(-1)), "a/data/0": bytes(64)}),
        archive({"a/data.pkl": storage_pickle(b"K\x10", "module"), "a/data/0": bytes(64)}),
        archive({"a/data.pkl": storage_pickle(b"K\x10")}),
        archive({"a/data.pkl": STATE, "b/data.pkl": STATE}),
        archive({"a/data.pkl": STATE, "a/constants.pkl": STATE}),
        archive({"a/data.pkl": STATE}),
        archive({}),
        archive({f"a/data/{n}": b"" for n in range(20_000)}),
        archive({"a/data.pkl": STATE})[:-10],
        archive({"a/data.pkl": STATE})[:40],
    ],
)
def test_zip_files(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content, ".pt")


def test_zip_directory_that_lies(tmp_path: Path) -> None:
    good = bytearray(archive({"a/data.pkl": STATE}))
    central, end = good.index(b"PK\x01\x02"), good.index(b"PK\x05\x06")
    for at, layout, value in (
        (central + 20, "<I", 2**32 - 1),  # compressed size
        (central + 24, "<I", 2**32 - 1),  # size
        (central + 42, "<I", 2**32 - 2),  # offset of the member
        (central + 16, "<I", 1),  # checksum
        (central + 10, "<H", 99),  # compression
        (end + 12, "<I", 2**32 - 2),  # size of the directory
        (end + 16, "<I", 2**32 - 2),  # offset of the directory
    ):
        bad = bytearray(good)
        struct.pack_into(layout, bad, at, value)
        refused(tmp_path, bytes(bad), ".pt")


def header(entries: dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.mark.parametrize(
    "content",
    [
        header({}),
        header({}, length=2**39),
        header({}, length=2**63),
        header({}, length=50_000_000),
        header({"w": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}, bytes(16)),
        header({"w": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 16]}}, bytes(16)),
        header({"w": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}, bytes(16)),
        header({"w": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]}}, bytes(16)),
        header({"w": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
        header({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
        header({"w": 1}, bytes(16)),
        struct.pack("<Q", 200_000) + b'{"a":' * 40_000,
        header({"__metadata__": {"architecture": "stylegan2", "config": "{}", "sha256": "0"}}),
        header({"__metadata__": {"architecture": "os.system", "config": "[" * 100_000, "sha256": "0"}}),
    ],
)
def test_safetensors(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content, ".safetensors")


def test_no_recursion(tmp_path: Path) -> None:
    """Nesting costs no stack: it is refused the same way in a thread with a small one."""
    outcome: list[BaseException | str] = []

    def work() -> None:
        try:
            outcome.append(refused(tmp_path, PROTO + b"]" * 400_000 + b"a" * 399_999 + b"."))
        except BaseException as error:  # noqa: BLE001 (reported below)
            outcome.append(error)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert isinstance(outcome[0], str), outcome[0]
    assert sys.getrecursionlimit() < 10_000
