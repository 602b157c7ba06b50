"""Safetensors files: equal contents are equal files, and a false header costs no reader time or memory."""

import json
import struct

import pytest
import torch
from safetensors.torch import save

from stylegan_cli import encoders, importers, modelfile, tensorfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.training import checkpoints

WHOLE = save({"x": torch.arange(3.0)}, {"model": json.dumps({"sha256": "1"}), "architecture": "a"})


def enormous():
    """A header that would be JSON, but of more than 4 MB."""
    header = json.dumps({"__metadata__": {"model": '{"sha256": "1"}', "architecture": "a", "more": " " * (5 << 20)}})
    return struct.pack("<Q", len(header)) + header.encode()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def test_metadata_and_tensors(path):
    path.write_bytes(WHOLE)
    metadata, tensors = tensorfile.read(path)
    assert metadata == tensorfile.read_metadata(path) == {"model": '{"sha256": "1"}', "architecture": "a"}
    assert (tensors.keys(), tensors["x"].tolist()) == ({"x"}, [0, 1, 2])


def test_equal_contents_are_equal_files(path):
    """The library writes metadata in another order every time."""
    about = {name: json.dumps(f"{name}: é\n\t\x01\x7f\u2028😀") for name in "hgfedcba"} | {
        "z": 'é\n\t\x01\x7f\u2028😀"/'
    }
    tensors, written = {"y": torch.arange(3.0), "x": torch.arange(2.0).half()}, set()
    for _ in range(4):
        tensorfile.save(tensors, path, about)
        written.add(path.read_bytes())
    (content,) = written
    metadata, found = tensorfile.read(path)
    assert metadata == about
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"x": [0, 1], "y": [0, 1, 2]}
    length = int.from_bytes(content[:8], "little")
    assert list(json.loads(content[8 : 8 + length])["__metadata__"]) == sorted(about)
    assert len(content) == len(save(tensors, about))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its header claims 0 bytes in a safetensors file of 0"),
        (WHOLE[:100], "its header claims .* bytes in a safetensors file of 100"),
        (WHOLE[:-1], "it is a damaged safetensors file"),
        (enormous(), "its header claims 5.* bytes in a safetensors file of 5"),
    ],
    ids=["empty", "cut in its header", "cut in its tensors", "enormous"],
)
def test_damaged_files_are_refused_by_all_readers(path, content, why):
    path.write_bytes(content)
    for read in (tensorfile.read, tensorfile.read_metadata):
        with pytest.raises(ValueError, match=why):
            read(path)
    assert not modelfile.is_native(path)
    assert encoders.about(path) is checkpoints.read(path) is None
    with pytest.raises(StyleganError, match=rf"a\.safetensors is not an encoder of this tool \({why}"):
        encoders.load(path, None)
    with pytest.raises(StyleganError, match=rf"a\.safetensors was refused: ({why}|it is empty)"):
        importers.read(path)
