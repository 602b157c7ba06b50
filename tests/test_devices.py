"""That no tensor of a computation is left on another device, forwards or backwards. (Training:
`training/test_training_devices.py`.)"""

from dataclasses import asdict

import numpy as np
import pytest
import small_families
import torch
from apart import META, Apart, invent_values
from tiny_generator import TINY

from stylegan_cli import architectures
from stylegan_cli.architectures import mobilestylegan
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.latents.people import Person
from stylegan_cli.metrics import inception
from stylegan_cli.noise import Noise
from stylegan_cli.operations import dragging, following, grafting, pivotal, projection
from stylegan_cli.scorers import perceptual

CONFIGS = {"mobilestylegan": asdict(TINY), **small_families.CONFIGS}


def make(family, precision="fp32"):
    return architectures.build(family, CONFIGS[family], "cpu").prepare(META, PRECISIONS[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", CONFIGS)
def test_pictures(monkeypatch, family, precision):
    monkeypatch.setattr(mobilestylegan, "has_matrix_units", lambda *_: precision != "fp32")  # as GPUs have
    generator = make(family, precision)
    if family == "stylegan3":
        generator.set_transform((0.1, 0.0), 15.0)
    with Apart(), torch.inference_mode():
        for n in (1, 2):  # a picture alone takes another way
            z = torch.randn(n, generator.z_dim, device=META)
            ws = generator.truncate(generator.broadcast(generator.to_w(z)), 0.7)
            for noise in (Noise(), Noise("random", 3)) if generator.has_noise else (Noise(),):
                assert generator.synthesize(ws, noise).device == META


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", CONFIGS)
def test_people_in_photos(monkeypatch, family, precision):
    """Found in both spaces, and tuned."""
    generator = make(family, precision).requires_grad_(False)
    if (family, precision) != ("stylegan2", "fp32"):  # the network that compares is the same for all: once is enough
        compares = perceptual.network(META).network
        monkeypatch.setitem(compares._modules, "_blocks", compares._blocks[:2])
    size = generator.resolution
    photo, guess = torch.empty(1, 3, size, size, device=META), torch.empty(1, generator.w_dim, device=META)
    invent_values(monkeypatch)
    with Apart():
        for space in projection.SPACES:
            found = projection.project(generator, photo, guess, projection.Settings(steps=2, space=space))
        tuned = pivotal.tune(generator, photo, found.ws, pivotal.Settings(steps=2))
    assert found.ws.shape == (generator.num_ws, generator.w_dim) and tuned.weights


def test_people_in_films(monkeypatch):
    generator = make("stylegan2").requires_grad_(False)
    faces = [np.zeros((64, 64, 3), np.uint8)] * 2
    monkeypatch.setattr(following, "LEAST", 2)
    invent_values(monkeypatch)
    with Apart():
        guesses = torch.empty(3, generator.w_dim, device=META)
        track = following.follow(generator, guesses, [0, 2], faces, following.Settings(1, 1))
    assert track.ws.shape == (3, generator.num_ws, generator.w_dim) and track.tuning.weights


def test_inception():
    network = inception.network(META)
    with Apart(), torch.inference_mode():
        assert network(torch.zeros(1, 3, 8, 8, dtype=torch.uint8, device=META)).shape == (1, 2048)


@pytest.mark.parametrize(("family", "precision"), [("mobilestylegan", "bf16"), ("stylegan2", "fp32")])
def test_drags_and_grafts(monkeypatch, family, precision):
    monkeypatch.setattr(dragging, "PROBES", 2)
    monkeypatch.setattr(grafting, "STEPS", 2)
    generator = make(family, precision).requires_grad_(False)
    one, two = (Person(name, torch.empty(generator.num_ws, generator.w_dim)) for name in "ab")
    invent_values(monkeypatch)
    with Apart():
        moves = [dragging.Move((9, 9), (12, 9)), dragging.Move((20, 20), (20, 20))]
        assert dragging.drag(generator, one, moves).person.ws.device.type == "cpu"
        assert grafting.graft(generator, one, {"eyes": two, "hair": two}).ws.device.type == "cpu"


def test_another_device_is_seen():
    generator = make("stylegan2")
    ws = torch.zeros(1, generator.num_ws, generator.w_dim)
    with Apart(), pytest.raises((RuntimeError, TypeError), match="device"):
        generator.truncate(ws, 0.7)
    with Apart(), pytest.raises((RuntimeError, TypeError), match="device"):  # not checked by all of torch's versions
        torch.nn.functional.conv2d(torch.zeros(1, 1, 4, 4, device=META), torch.zeros(1, 1, 3, 3))


def test_float64_is_seen():
    with Apart():
        torch.zeros(2, dtype=torch.float64)
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, device=META).double()
