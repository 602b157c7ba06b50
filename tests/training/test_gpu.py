"""Training on a CUDA device: that it is the CPU's but for rounding, and goes on where it stopped."""

import math

import numpy as np
import pytest
import torch
from small_trainers import CPU, learned, steps, trainer_of
from tiny_generator import make_tiny

from stylegan_cli.hardware import exact_float32
from stylegan_cli.training import augment, checkpoints, encoder
from stylegan_cli.training.arithmetic import arithmetic
from stylegan_cli.training.loop import MEASURED
from stylegan_cli.training.losses import path_lengths, r1_penalty

CUDA = torch.device("cuda")
CFGS = ("stylegan1", "stylegan2", "stylegan3-t", "stylegan3-r")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA device."),
]


def learning(pictures, cfg, precision, device=CUDA):
    """With everything that a step can have: augmentation, path lengths, several parts."""
    more = {"stable_kimg": "0.008"} if cfg == "stylegan1" else {"pl_weight": 2.0}
    return trainer_of(
        pictures, device=device, cfg=cfg, precision=precision, aug="fixed", p=0.6, batch_gpu="4", **more
    )  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("cfg", CFGS)
def test_steps_are_finite(pictures, cfg, precision):
    trainer = learning(pictures, cfg, precision)
    for _ in range(6):
        trainer.step()  # raises where losses are not
        assert trainer.sums[MEASURED.index("loss_d"), 1] == 8
    trainer.state.check()
    assert trainer.state.scaler.get_scale() >= (2.0**6 if precision == "fp16" else 1)
    assert trainer.state.generator.device.type == "cuda"


@pytest.mark.parametrize("cfg", CFGS)
def test_a_step_in_float32_is_the_cpus(pictures, cfg):
    """What does not depend on chance, of which every device has its own: scores of real pictures, and R1."""
    here, there = (trainer_of(pictures, device=device, cfg=cfg, dlr=0, pl_weight=0.0) for device in (CPU, CUDA))
    found = [learned(trainer, 1) for trainer in (here, there)]
    for name in ("score_real", "r1"):
        assert found[1][name] == pytest.approx(found[0][name], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("cfg", CFGS)
def test_going_on_is_as_if_it_had_never_stopped(tmp_path, pictures, cfg, precision):
    """But for the order of sums, which GPUs do not keep, and which may turn a sign."""
    straight = learning(pictures, cfg, precision)
    straight.state.progress.step = 13  # so that there is R1 soon after
    steps(straight, 3)
    checkpoints.save(straight.state, tmp_path)
    second = learning(pictures, cfg, precision)
    second.state.load(*checkpoints.newest(tmp_path))
    one, two = straight.state.tensors(), second.state.tensors()
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    penalties = []
    for _ in range(2):
        found, expected = (learned(trainer, 1) for trainer in (second, straight))
        penalties.append(expected["r1"])
        found["sign_real"] = expected["sign_real"]
        assert found == pytest.approx(expected, rel=0.05, abs=0.05)
    assert any(penalties)
    assert second.state.scaler.get_scale() == straight.state.scaler.get_scale()


@pytest.mark.parametrize(("precision", "decibels"), [("fp32", 80), ("bf16", 30), ("fp16", 40)])
@pytest.mark.parametrize("cfg", CFGS)
@torch.no_grad()
def test_pictures_are_the_cpus(pictures, cfg, precision, decibels):
    here, there = (learning(pictures, cfg, precision, device).state.generator for device in (CPU, CUDA))
    here.dtype = torch.float32
    z = torch.randn(4, here.z_dim, generator=torch.Generator().manual_seed(0))
    expected = here.synthesize(here.broadcast(here.to_w(z)))
    with exact_float32():
        found = there.synthesize(there.broadcast(there.to_w(z.to(CUDA)))).cpu()
    error = (found - expected).square().mean().sqrt().item()
    assert 20 * math.log10(2 / max(error, 1e-12)) > decibels


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 2e-2)])
def test_augmentations_are_the_cpus(precision, tolerance):
    """In bfloat16 products are TF32's: colours are rounded, places must not be, which noise would show at once."""
    images = torch.rand(8, 3, 32, 32)
    draw = augment.Draw(8, 1.0)
    inverse, matrix = augment.blits(draw, 32) @ augment.geometry(draw), augment.colours(draw)
    warped = augment.warp(images, inverse)
    with arithmetic(precision, CUDA):
        found = augment.warp(images.to(CUDA), inverse)
        recoloured = augment.recoloured(found, matrix)
    torch.testing.assert_close(found.cpu(), warped, atol=tolerance, rtol=0)
    torch.testing.assert_close(recoloured.cpu(), augment.recoloured(warped, matrix), atol=4 * tolerance, rtol=tolerance)


@pytest.mark.parametrize("cfg", CFGS)
def test_classes_are_learned(classed, cfg):
    trainer = steps(trainer_of(classed, labelled=True, device=CUDA, cfg=cfg), 2)
    assert trainer.state.generator.c_dim == 3
    trainer.state.check()


@pytest.mark.parametrize("cfg", CFGS)
def test_the_augmentation_is_steered(pictures, cfg):
    trainer = trainer_of(pictures, device=CUDA, cfg=cfg, aug="ada")
    trainer.state.progress.p = 0.5
    steps(trainer, 4)
    assert 0 < abs(trainer.state.progress.p - 0.5) < 0.1
    trainer.state.check()


@pytest.mark.parametrize("cfg", CFGS)
def test_second_derivatives_are_the_cpus(pictures, cfg):
    """Of R1 and of path lengths. Single activations may turn at leaky ReLU's kink."""
    with exact_float32():
        found, expected = (regularised(trainer_of(pictures, device=device, cfg=cfg).state) for device in (CUDA, CPU))
    for one, other in zip(found, expected, strict=True):
        assert other.norm() > 0
        assert (one - other).norm() < 1e-2 * other.norm()


def regularised(state):
    """The gradients of all parameters of the discriminator and of the generator."""
    device, chance = state.generator.device, torch.Generator().manual_seed(0)
    state.set_lod(0.0)
    images = torch.rand(4, 3, 16, 16, generator=chance).to(device).requires_grad_()
    r1_penalty(state.discriminator(images), images).sum().backward()
    z, directions = (torch.randn(shape, generator=chance).to(device) for shape in ((4, 8), (4, 3, 16, 16)))
    ws = state.generator.broadcast(state.generator.to_w(z))
    path_lengths(state.generator.synthesize(ws), ws, directions, ws.shape[1]).sum().backward()
    networks = (state.discriminator, state.generator)
    return [
        torch.cat([p.grad.flatten().cpu() for p in network.parameters() if p.grad is not None]) for network in networks
    ]


def test_encoders_learn():
    generator = make_tiny().prepare(CUDA, torch.float32)
    w = torch.randn(64, generator.w_dim, generator=torch.Generator().manual_seed(0))
    colours = [np.full((3, 128, 128), 127 + 40 * one[0].clamp(-3, 3).item(), np.uint8) for one in w]
    steps = []
    found = encoder.train(
        generator, colours, w, encoder.Settings(epochs=1, batch=16), lambda step, _: steps.append(step)
    )
    assert found.w_avg.device.type == CUDA.type
    assert len(steps) == 3 and np.isfinite(steps[-1].held_out)
