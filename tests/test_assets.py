"""Files from wheels, once they are in the cache."""

import errno

import pytest
import torch

from stylegan_cli.errors import StyleganError
from stylegan_cli.faces import mtcnn
from stylegan_cli.metrics import inception
from stylegan_cli.scorers import attributes, dlib, mesh, perceptual, runtime, silhouette

CPU = torch.device("cpu")
READERS = {
    perceptual.EFFICIENTNET: perceptual.EfficientNetLite0,
    inception.INCEPTION: lambda: inception.network.__wrapped__(CPU),
    dlib.RECOGNITION: dlib._weights.__wrapped__,
    mtcnn.PROPOSE: mtcnn.networks.__wrapped__,
    attributes.AGE: lambda: runtime.network.__wrapped__(attributes.AGE),
    mesh.MESH: lambda: runtime.network.__wrapped__(mesh.MESH),
    silhouette.SILHOUETTE: lambda: runtime.beginning.__wrapped__(silhouette.SILHOUETTE),
}


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't allocate memory"), OSError(errno.EMFILE, "Too many open files")]
)
def test_a_machines_troubles_are_no_damage(monkeypatch, tmp_path, error):
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path))
    asset = mtcnn.PROPOSE
    asset.cached.parent.mkdir()
    asset.cached.touch()
    with pytest.raises(type(error)) as raised, asset.opened():
        raise error
    assert raised.value is error


@pytest.mark.parametrize("asset", READERS, ids=lambda asset: asset.title)
@pytest.mark.parametrize("content", [b"", b"damaged", b"PK\x05\x06" + bytes(18)])
def test_damaged_files_are_named(monkeypatch, tmp_path, asset, content):
    if asset in (attributes.AGE, mesh.MESH, silhouette.SILHOUETTE):
        pytest.importorskip("openvino")
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path))
    asset.cached.parent.mkdir()
    asset.cached.write_bytes(content)
    with pytest.raises(StyleganError, match=f"{asset.cached.name} is damaged .*; delete it, and it will be fetched"):
        READERS[asset]()
