"""The encoder and its training: it learns, its file keeps it, and files that do not fit are refused."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small_families import make

from stylegan_cli import encoder as encoders
from stylegan_cli.errors import StyleganError
from stylegan_cli.training import encoder as training
from stylegan_cli.training.encoder import Settings, disturb


@pytest.fixture(scope="module")
def faces(tiny):
    """Pictures `[3, 128, 128]` uint8 and their `w`: flat colours, so that a few steps are enough to learn them."""
    w = torch.randn(112, tiny.w_dim, generator=torch.Generator().manual_seed(0))
    colours = (w[:, :3].clamp(-2, 2) * 60 + 127).byte()
    return [colour[:, None, None].expand(-1, 128, 128).numpy() for colour in colours], w


@pytest.fixture(scope="module")
def trained(tiny, faces):
    steps = []
    encoder = training.train(tiny, *faces, Settings(epochs=2, batch=16, rate=3e-3), lambda step, _: steps.append(step))
    return encoder, steps


def test_it_learns(trained, faces):
    encoder, steps = trained
    assert [step.done for step in steps] == list(range(1, 13))
    assert steps[-1].total == 12
    held_out = [step.held_out for step in steps if step.held_out is not None]
    assert len(held_out) == 2
    # Three of sixteen dimensions can be seen on these pictures.
    assert held_out[-1] < held_out[0]
    assert held_out[-1] == pytest.approx(training.evaluate(encoder, *faces, range(101, 112)))


def test_its_file_keeps_it(trained, tiny, faces, tmp_path):
    encoder, _ = trained
    encoders.save(encoder, tmp_path / "e.safetensors", {"pictures": 112})
    again = encoders.load(tmp_path / "e.safetensors", tiny)
    images = torch.from_numpy(np.stack(faces[0][:4])).float() / 127.5 - 1
    with torch.inference_mode():
        assert (again(images) - encoder(images)).abs().mean() < 0.01
    with safe_open(tmp_path / "e.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118
    assert (tmp_path / "e.safetensors").stat().st_size < 25e6


def test_one_for_another_size_of_w_is_refused(trained, tmp_path):
    encoder, _ = trained
    encoders.save(encoder, tmp_path / "e.safetensors", {})
    said = r"e\.safetensors was trained for the model tiny, with a w of 16 numbers, but that of unnamed has 24; move it"
    with pytest.raises(StyleganError, match=said):
        encoders.load(tmp_path / "e.safetensors", make("stylegan2", w_dim=24))


OURS = json.dumps({"name": "tiny", "sha256": "0" * 64})


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"encoder": "{}"},
        {"encoder": "[", "model": OURS},
        {"encoder": "{}", "model": "{}"},
        {"encoder": "{}", "model": "[]"},
        {"encoder": "{}", "model": "5"},
        {"encoder": "[" * 100_000, "model": OURS},
    ],
)
def test_what_is_no_encoder_is_refused(tiny, tmp_path, metadata):
    save_file({"a": torch.zeros(1)}, tmp_path / "e.safetensors", metadata)
    with pytest.raises(StyleganError, match=r"not an encoder of this tool \(.*\); train one"):
        encoders.load(tmp_path / "e.safetensors", tiny)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"w_dim": -1}, "sizes are impossible"),
        ({"hidden": 0}, "sizes are impossible"),
        ({"size": 130}, "sizes are impossible"),
        ({"size": -128}, "sizes are impossible"),
        ({"deep": True}, "sizes are impossible"),
        ({"deep": "256"}, "sizes are impossible"),
        ({"deep": 2**40}, "sizes are impossible"),
        ({"hidden": 2**16, "deep": 2**16, "size": 2**16}, "its tensors do not have the sizes that it declares"),
        ({}, "its tensors do not have the sizes that it declares"),
        ({"depth": 3}, "unexpected keyword"),
    ],
    ids=str,
)
def test_sizes_are_not_believed(tiny, tmp_path, monkeypatch, config, said):
    """The largest of them would take more memory than there is anywhere."""
    monkeypatch.setattr(encoders, "EfficientNetLite0", torch.nn.Identity)
    metadata = {"encoder": json.dumps(config), "model": OURS}
    save_file({"a": torch.zeros(1)}, tmp_path / "e.safetensors", metadata)
    with pytest.raises(StyleganError, match=said):
        encoders.load(tmp_path / "e.safetensors", tiny)


def test_a_text_file_is_no_encoder(tiny, tmp_path):
    (tmp_path / "e.safetensors").write_text("hello")
    with pytest.raises(StyleganError, match="not an encoder"):
        encoders.load(tmp_path / "e.safetensors", tiny)


def test_too_few_pictures(tiny, faces):
    with pytest.raises(StyleganError, match="too few"):
        training.train(tiny, faces[0][:20], faces[1][:20], Settings(batch=32), lambda *_: None)


@pytest.mark.parametrize("size", [64, 65])
def test_disturbed_pictures_stay_pictures_and_differ(size):
    images = (torch.rand(1, 3, size, size) * 1.6 - 0.8).expand(16, -1, -1, -1)
    disturbed = disturb(images)
    assert disturbed.shape == images.shape
    assert disturbed.abs().max() <= 1
    assert (disturbed[0] - disturbed[1]).abs().mean() > 0.05


def test_it_learns_from_disturbed_pictures_and_keeps_a_running_average(tiny, faces, monkeypatch):
    seen, shares = [], []
    monkeypatch.setattr(training, "disturb", lambda images: seen.append(len(images)) or images)
    monkeypatch.setattr(training, "_follow", lambda _average, _newest, share: shares.append(share))
    training.train(tiny, faces[0], faces[1], Settings(epochs=1, batch=16), lambda *_: None)
    assert set(seen) == {16}
    assert len(seen) == len(shares) > 1
    assert shares[0] == 0 and shares == sorted(shares)  # the first step's encoder, then ever longer means


def test_the_average_keeps_its_share():
    average, newest = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = average.weight.detach().clone()
    training._follow(average, newest, 0.75)
    torch.testing.assert_close(average.weight, 0.75 * before + 0.25 * newest.weight)
