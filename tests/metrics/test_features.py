"""Features of pictures."""

import io
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from drawings import drawing
from PIL import Image

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.metrics import features
from stylegan_cli.metrics.features import BATCH, EfficientNetFeatures, InceptionFeatures, describe, named
from stylegan_cli.scorers import perceptual

CPU = torch.device("cpu")
LANCZOS = Image.Resampling.LANCZOS


def test_vectors_are_the_networks_pooled_ones():
    image = drawing(0, size=128)
    (found,) = describe([image], EfficientNetFeatures(CPU), LANCZOS, lambda: None)
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        (expected,) = perceptual.network(CPU).pooled(pixels / 127.5 - 1)
    assert found.shape == (1280,)
    assert found == pytest.approx(expected.numpy(), abs=1e-4)


def test_batches_change_nothing_and_every_picture_counts():
    seen = []
    images = [drawing(i) for i in range(BATCH + 3)]
    found = describe(iter(images), EfficientNetFeatures(CPU), LANCZOS, lambda: seen.append(1))
    (alone,) = describe(images[-1:], EfficientNetFeatures(CPU), LANCZOS, lambda: None)
    assert (len(found), len(seen)) == (BATCH + 3, BATCH + 3)
    assert found[-1] == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize(("pixels", "size"), [(16, 128), (128, 128), (223, 128), (224, 224), (1024, 224)])
def test_sizes(pixels, size):
    assert EfficientNetFeatures(CPU).size(pixels) == size


def test_nobody_takes_it_for_fid():
    assert EfficientNetFeatures.titles == {"fd": "FD-EfficientNet-Lite0", "kd": "KD-EfficientNet-Lite0"}


def test_unknown_features():
    with pytest.raises(UsageError, match="no features 'vgg'; use efficientnet or inception"):
        named("vgg", CPU)


def test_inception_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(UsageError, match=r'pip install "stylegan-cli\[fid\]"'):
        named("inception", CPU)


def test_inception_with_a_broken_library(tmp_path, monkeypatch):
    """As where torchvision was built for another torch."""
    (tmp_path / "torch_fidelity").mkdir()
    (tmp_path / "torch_fidelity/__init__.py").write_text("raise RuntimeError('no operator')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch_fidelity", raising=False)
    with pytest.raises(StyleganError, match=r"cannot be imported \(no operator\); install the torchvision"):
        named("inception", CPU)


def test_inception(fake_fidelity):
    fake_fidelity({"scale": torch.tensor(2.0)})
    network = named("inception", CPU)
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    assert describe([image], network, LANCZOS, lambda: None).tolist() == [[2, 4, 6]]
    assert network.titles == {"fd": "FID", "kd": "KID"}


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("what is in the file was run",))


def test_inceptions_file_is_not_run(fake_fidelity):
    fake_fidelity({"scale": Harmful()})
    with pytest.raises(StyleganError, match=r"inception-2015-12-05-6726825d.pth does not contain .* delete it"):
        InceptionFeatures(CPU)


def test_inceptions_file_is_checked_though_it_is_there(fake_fidelity):
    """All of it: here the end differs, and the name is right."""
    path = fake_fidelity({"scale": torch.tensor(2.0)})
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(StyleganError, match=r"6726825d.pth does not contain .* its sha256 is \w{64}; delete it"):
        InceptionFeatures(CPU)


def test_what_is_fetched_for_inception_is_checked(fake_fidelity, monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(b"another file"))
    with pytest.raises(StyleganError, match=rf"nothing was kept; or put the file into {tmp_path}"):
        InceptionFeatures(CPU)
    assert not list((tmp_path / "assets").iterdir())


class Answer(io.BytesIO):
    """Of a server."""

    headers = {}  # noqa: RUF012


def test_the_name_of_inceptions_file_is_part_of_its_hash():
    assert features.INCEPTION.endswith(f"-{features.INCEPTION_SHA256[:8]}.pth")


def test_inception_without_network(fake_fidelity, monkeypatch):
    def unreachable(*arguments, **options):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(StyleganError, match=r"could not fetch https.*no route.*--features efficientnet"):
        InceptionFeatures(CPU)


def test_inception_is_fetched_once(fake_fidelity, monkeypatch):
    path = fake_fidelity({"scale": torch.tensor(2.0)})
    content, seen = path.read_bytes(), []
    path.unlink()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(content))
    InceptionFeatures(CPU, lambda done, _total: seen.append(done))
    InceptionFeatures(CPU, lambda *_: pytest.fail("it was there"))
    assert seen == [len(content)] and path.read_bytes() == content
