"""Training on a CUDA device: that it is the CPU's but for rounding, and goes on where it stopped."""

import math

import pytest
import torch
from small_trainers import CPU, steps, trainer_of

from stylegan_cli.hardware import exact_float32
from stylegan_cli.training import augment, checkpoints
from stylegan_cli.training.loop import MEASURED

CUDA = torch.device("cuda")
CFGS = ("stylegan1", "stylegan2")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA device."),
]


def learning(pictures, cfg, precision, device=CUDA):
    """With everything that a step can have: augmentation, path lengths, several parts."""
    more = {"pl_weight": 2.0} if cfg == "stylegan2" else {"stable_kimg": "0.008"}
    return trainer_of(
        pictures, device=device, cfg=cfg, precision=precision, aug="fixed", p=0.6, batch_gpu="4", **more
    )  # fmt: skip


def losses(trainer):
    return dict(zip(MEASURED, trainer.sums[:, 0].tolist(), strict=True))


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
    found = [losses(steps(trainer, 1)) for trainer in (here, there)]
    for name in ("score_real", "r1"):
        assert found[1][name] == pytest.approx(found[0][name], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("cfg", CFGS)
def test_going_on_is_as_if_it_had_never_stopped(tmp_path, pictures, cfg, precision):
    """But for the order of sums, which GPUs do not keep."""
    straight = steps(learning(pictures, cfg, precision), 3)
    checkpoints.save(straight.state, tmp_path)
    second = learning(pictures, cfg, precision)
    second.state.load(*checkpoints.newest(tmp_path))
    one, two = straight.state.tensors(), second.state.tensors()
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    for _ in range(2):
        assert losses(steps(second, 1)) == pytest.approx(losses(steps(straight, 1)), rel=0.05, abs=0.05)
    assert second.state.scaler.get_scale() == straight.state.scaler.get_scale()


@pytest.mark.parametrize(("precision", "decibels"), [("fp32", 80), ("bf16", 30), ("fp16", 40)])
@pytest.mark.parametrize("cfg", CFGS)
@torch.no_grad()
def test_pictures_are_the_cpus(pictures, cfg, precision, decibels):
    here, there = (learning(pictures, cfg, precision, device).state.generator for device in (CPU, CUDA))
    here.dtype = torch.float32
    z = torch.randn(4, here.z_dim, generator=torch.Generator().manual_seed(0))
    expected = here.synthesis(here.broadcast(here.mapping(z)))
    with exact_float32():
        found = there.synthesis(there.broadcast(there.mapping(z.to(CUDA)))).cpu()
    error = (found - expected).square().mean().sqrt().item()
    assert 20 * math.log10(2 / max(error, 1e-12)) > decibels


def test_augmentations_are_the_cpus():
    images = torch.rand(8, 3, 32, 32)
    draw = augment.Draw(8, 1.0, CPU)
    inverse, matrix = augment.blits(draw, 32) @ augment.geometry(draw), augment.colours(draw)
    expected = augment.recoloured(augment.warp(images, inverse), matrix)
    with exact_float32():
        found = augment.recoloured(augment.warp(images.to(CUDA), inverse.to(CUDA)), matrix.to(CUDA))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-3, rtol=1e-3)
