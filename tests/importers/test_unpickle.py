"""The pickle reader against pickles that Python, NumPy and PyTorch write."""

from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import forge
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stylegan_cli.importers import torchfile
from stylegan_cli.importers.stored import RefusedError, Stored
from stylegan_cli.importers.unpickle import Array, Machine, Record

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(-1000, 1000), inner)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
    ),
    max_leaves=20,
)


def read(content: bytes) -> Any:
    return torchfile.read_pickle(memoryview(content))


@given(PLAIN, st.sampled_from([2, 3, 4, 5]))
def test_plain_values(value: Any, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@given(st.binary(), st.sampled_from([3, 4, 5]))
def test_bytes_are_views(value: bytes, protocol: int) -> None:
    assert read(pickle.dumps([value], protocol)) == [value]


def test_the_same_object_twice_stays_one() -> None:
    shared = [1]
    first, second = read(pickle.dumps([shared, shared], 4))
    assert first is second


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8", "u1", "b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_arrays(protocol: int, dtype: str, order: Any) -> None:
    array = np.array(
        np.arange(24).reshape(2, 3, 4) % 2 if dtype == "b1" else np.arange(24).reshape(2, 3, 4), dtype, order=order
    )
    for one in (array, array[:, 0], array[:0], array[1, 2, 3 : 3 + 1].reshape(())):
        found = read(pickle.dumps(one, protocol))
        assert isinstance(found, Array)
        assert found.stored is not None
        np.testing.assert_array_equal(found.stored.tensor().numpy(), one)


def test_numpy_scalars() -> None:
    values = [np.float32(0.1), np.float64(0.1), np.int64(-3), np.bool_(True)]
    assert read(pickle.dumps(values)) == [float(np.float32(0.1)), 0.1, -3, True]


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([{}, None], object), np.zeros(2, "c8"), np.zeros(2, ">f4"), np.zeros(2, "f4,i4")],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(RefusedError, match="not of plain numbers"):
        read(pickle.dumps(array))


def equal(found: Any, tensor: torch.Tensor) -> bool:
    assert isinstance(found, Stored)
    return found.tensor().dtype == tensor.dtype and torch.equal(found.tensor(), tensor)


TENSORS = {
    "float": torch.randn(2, 3),
    "scalar": torch.tensor(0.5),
    "empty": torch.zeros(0, 3),
    "half": torch.randn(4).half(),
    "bfloat16": torch.randn(4).bfloat16(),
    "long": torch.arange(5),
    "bool": torch.tensor([True, False]),
    "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "transposed": torch.randn(3, 4).T,
    "part": torch.randn(10)[3:7],
    "with gaps": torch.randn(3, 4, 5).bfloat16()[1:, 1:3, ::2],
    "column": torch.arange(12).reshape(3, 4)[:, 3],
    "parameter": torch.nn.Parameter(torch.randn(3)),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors(kind: str, tmp_path: Path) -> None:
    tensor = TENSORS[kind]
    assert equal(read(pickle.dumps(tensor, 4)), tensor.detach())
    for zipped in (True, False):
        path = tmp_path / "file.pt"
        path.write_bytes(forge.zipped({"x": tensor, "again": tensor}, _use_new_zipfile_serialization=zipped))
        data = memoryview(path.read_bytes())
        tree = torchfile.read_zip(path, data) if zipped else torchfile.read_pickle(data)
        assert equal(tree["x"], tensor.detach())
        assert equal(tree["again"], tensor.detach())


def test_a_small_storage_cannot_claim_a_large_tensor() -> None:
    with pytest.raises(RefusedError, match="does not fit its 4 stored numbers"):
        read(pickle.dumps(torch.zeros(4).expand(1 << 20, 2, 4)))


def test_few_numbers_may_be_repeated() -> None:
    """As a `w` is for all layers."""
    latents = torch.randn(2, 1, 4).expand(2, 18, 4)
    assert equal(read(pickle.dumps(latents, 4)), latents)


def test_numbers_that_are_seen_negated_are_refused() -> None:
    with pytest.raises(RefusedError, match="changes its stored numbers"):
        read(pickle.dumps(torch._neg_view(torch.ones(4)), 4))


def test_namespaces_are_records() -> None:
    found = read(pickle.dumps(argparse.Namespace(size=64)))
    assert isinstance(found, Record)
    assert found.state == {"size": 64}


def test_what_python_puts_aside() -> None:
    """POP and POP_MARK, which pickles of objects within themselves contain."""
    assert read(b"\x80\x04K\x07K\x080(K\x01K\x021K\x09\x86.") == (7, 9)


def test_nothing_is_read_behind_the_end() -> None:
    machine = Machine(memoryview(pickle.dumps([1]) + b"cos\nsystem\n"))
    assert machine.run() == [1]
    assert bytes(machine.data[machine.position :]) == b"cos\nsystem\n"
