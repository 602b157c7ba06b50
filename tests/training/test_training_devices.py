"""That training leaves no tensor on another device than its own, forwards or backwards."""

import numpy as np
import pytest
import torch
from apart import META, Apart, invent_values
from small_trainers import steps, trainer_of
from tiny_generator import make_tiny

from stylegan_cli.training import augment, encoder, snapshots

CFGS = {"stylegan1": 5, "stylegan2": 5, "stylegan3-r": 1}  # and steps in which everything happens once


@pytest.fixture(autouse=True)
def values(monkeypatch):
    monkeypatch.setattr(augment, "_margin", lambda _inverse, _size: 8)
    invent_values(monkeypatch)


def trainer(pictures, cfg, **more):
    """With everything that a step can have: augmentation, path lengths, R1, growing or a frozen layer."""
    own = {"stable_kimg": "0.008"} if cfg == "stylegan1" else {"pl_weight": 2.0, "freezed": 1}
    said = {"cfg": cfg, "aug": "fixed", "p": 0.6}
    return trainer_of(pictures, device=META, **own | said | more)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cfg", CFGS)
def test_steps(pictures, cfg, precision):
    one = trainer(pictures, cfg, precision=precision, batch_gpu="4" if precision == "fp32" else "8")
    with Apart():
        steps(one, CFGS[cfg])
    assert one.state.progress.nimg == 8 * CFGS[cfg]
    assert {moment.device for adam in (one.state.g_adam, one.state.d_adam) for moment in moments(adam)} == {META}


def moments(adam):
    return [state["exp_avg"] for state in adam.state.values()]


@pytest.mark.parametrize("cfg", CFGS)
def test_classes(classed, cfg):
    one = trainer(classed, cfg, labelled=True)
    with Apart():
        steps(one, 2)
        snapshots.centre(one.state.average, torch.tensor([0, 1, 2, 1]))


def test_encoders():
    generator = make_tiny().prepare(META, torch.float32)
    w, pictures = torch.randn(64, generator.w_dim), [np.zeros((3, 128, 128), np.uint8)] * 64
    seen = []
    with Apart():
        found = encoder.train(
            generator, pictures, w, encoder.Settings(epochs=1, batch=16), lambda step, _: seen.append(step.done)
        )
    assert found.w_avg.device == META and seen == [1, 2, 3]
