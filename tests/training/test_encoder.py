"""The encoder and its training: it learns, its file keeps it, and files that do not fit are refused."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small_families import make

from stylegan_cli import encoders, tensorfile
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


def test_its_unit_is_the_typical_distance_from_the_mean(trained, tiny, faces):
    distances = faces[1] - tiny.w_avg
    assert trained[0].scale.item() == pytest.approx(distances.square().mean().sqrt().item())


class Small(torch.nn.Module):
    """Stands for the encoder, where it does not matter what is learned."""

    def __init__(self, w_dim):
        super().__init__()
        self.trunk, self.out, self.scale = torch.nn.Linear(3, 3), torch.nn.Linear(3, w_dim), torch.ones(())

    def forward(self, images):
        return self.out(self.trunk(images.mean(dim=(2, 3))))


@pytest.fixture
def small(tiny, monkeypatch):
    """Encoders are `Small`, and nobody looks at the pictures held out."""
    monkeypatch.setattr(training, "_new_encoder", lambda _generator, w: Small(w.shape[1]))
    monkeypatch.setattr(training, "evaluate", lambda *_: 0.0)


def test_held_out_pictures_are_not_learned(tiny, faces, small):
    read = []

    class Noted(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    training.train(tiny, Noted(faces[0]), faces[1], Settings(epochs=2, batch=16), lambda *_: None)
    assert len(read) == 2 * 96
    assert max(read) < 101


def test_rates_rise_then_fall_as_a_cosine_and_the_trunks_are_lower(tiny, faces, small, monkeypatch):
    rates, optimiser = [], training._optimiser

    def watched(*how):
        made = optimiser(*how)
        made.register_step_pre_hook(lambda *_: rates.append([group["lr"] for group in made.param_groups]))
        return made

    monkeypatch.setattr(training, "_optimiser", watched)
    monkeypatch.setattr(training, "WARM_UP", 4)
    training.train(tiny, *faces, Settings(epochs=2, batch=16, rate=0.1), lambda *_: None)
    assert len(rates) == 12
    assert [rates[i] for i in (0, 6, 11)] == [pytest.approx([0.3 * rate, rate]) for rate in (0.025, 0.05, 0.00170371)]


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


@pytest.mark.parametrize("value", [float("nan"), 1e6])  # a million is infinite in half precision
def test_one_that_has_diverged_is_not_written(trained, tmp_path, value):
    encoder = copy.deepcopy(trained[0])
    encoder.out.bias.fill_(value)
    with pytest.raises(StyleganError, match=r"are not finite, so .*e\.safetensors is not written; use a smaller"):
        encoders.save(encoder, tmp_path / "e.safetensors", {})
    assert list(tmp_path.iterdir()) == []


def test_one_that_had_diverged_is_refused(trained, tiny, tmp_path):
    encoder, _ = trained
    encoders.save(encoder, tmp_path / "e.safetensors", {})
    about, tensors = tensorfile.read(tmp_path / "e.safetensors")
    tensors = {name: torch.full_like(tensor, torch.nan) for name, tensor in tensors.items()}
    save_file(tensors, tmp_path / "e.safetensors", about)
    with pytest.raises(StyleganError, match="it holds numbers that are not finite"):
        encoders.load(tmp_path / "e.safetensors", tiny)


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
    monkeypatch.setattr("stylegan_cli.encoders.efficientnet.EfficientNetLite0", torch.nn.Identity)
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


def test_disturbances_move_a_face_a_little(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "_move", lambda images, *how: seen.append(how) or images)
    disturb(torch.zeros(500, 3, 8, 8))
    shift, scale, angle = seen[0]
    for values, most in ((shift, 0.03), (scale - 1, 0.04), (angle, 0.05)):
        assert [values.min().item(), values.max().item()] == pytest.approx([-most, most], rel=0.1)


def test_disturbances_cover_a_fifth_of_the_faces():
    """With grey, which no other disturbance of a bright picture makes."""
    disturbed = disturb(torch.full((500, 3, 32, 32), 0.95))
    grey = (disturbed == 0).all(dim=1)
    assert grey.any(dim=(1, 2)).float().mean().item() == pytest.approx(0.2, abs=0.05)
    assert grey.any(dim=1).sum(dim=1).max() <= 32 / 3 + 1
    assert grey.any(dim=2).sum(dim=1).max() <= 32 / 3 + 1


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
