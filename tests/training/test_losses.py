"""Losses and their gradients are the original code's, for whole networks."""

import pytest
import torch
from originals import GOLDEN, SHARED, arrays, discriminator_of, generator_of, needs_shared, ready

from stylegan_cli import importers
from stylegan_cli.architectures import build
from stylegan_cli.training import losses


class Phases:
    """The four losses of a step of StyleGAN2, with constant noise and without style mixing, as the arrays were made."""

    def __init__(self, generator, judge, found):
        self.generator, self.judge, self.found = generator, judge, found
        self.z, self.real = found["z"], found["real_img"]
        self.c = found["c"] if found["c"].shape[1] else None

    def fakes(self, n=None):
        c = None if self.c is None else self.c[:n]
        ws = self.generator.broadcast(self.generator.to_w(self.z[:n], c))
        return self.generator.synthesize(ws), ws

    def Gmain(self):  # noqa: N802
        loss = losses.loss_if_real(self.judge(self.fakes()[0], self.c))
        loss.mean().backward()
        return {"G/loss": loss}

    def Greg(self):  # noqa: N802
        found = self.found
        images, ws = self.fakes(len(found["pl_y"]))
        lengths = losses.path_lengths(images, ws, found["pl_y"], ws.shape[1])
        mean = torch.lerp(found["pl_mean_before"].float(), lengths.mean(), found["pl_decay"].item())
        penalty = losses.path_penalty(lengths, mean)
        loss = penalty * found["pl_weight"].item()
        loss.mean().backward()
        torch.testing.assert_close(lengths, found["first_order/pl_lengths"], rtol=1e-4, atol=0)
        torch.testing.assert_close(mean, found["Greg/pl_mean_after"], rtol=1e-4, atol=0)
        return {"pl_penalty": penalty, "G/reg": loss}

    def Dmain(self):  # noqa: N802
        fake = losses.loss_if_fake(self.judge(self.fakes()[0].detach(), self.c))
        real = losses.loss_if_real(self.judge(self.real, self.c))
        (fake + real).mean().backward()
        return {"D/loss": fake + real}

    def Dreg(self):  # noqa: N802
        real = self.real.clone().requires_grad_(True)
        penalty = losses.r1_penalty(self.judge(real, self.c), real)
        loss = penalty * self.found["r1_gamma"].item() / 2
        loss.mean().backward()
        return {"r1_penalty": penalty, "D/reg": loss}


def compare(phases, phase):
    """Statistics to 1e-4, gradients of all parameters to 1e-3 of each array's largest."""
    stats = getattr(phases, phase)()
    for name, value in stats.items():
        torch.testing.assert_close(value, phases.found[f"{phase}/stat/Loss/{name}"], rtol=1e-4, atol=1e-9)
    learning = phases.generator if phase.startswith("G") else phases.judge
    compared = 0
    for name, parameter in learning.named_parameters():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        if (expected := phases.found.get(f"{phase}/grad/{name}")) is not None:
            tolerance = 1e-3 * expected.abs().max().item() + 1e-7
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance, msg=name)
            compared += 1
        if (norm := phases.found.get(f"{phase}/gradnorm/{name}")) is not None:
            torch.testing.assert_close(found.norm(), norm, rtol=1e-3, atol=1e-7, msg=name)
    assert compared


PHASES = ["Gmain", "Greg", "Dmain", "Dreg"]


@pytest.mark.parametrize("phase", PHASES)
def test_stylegan2(phase):
    found = arrays(GOLDEN / "losses_stylegan2.npz")
    networks = generator_of("stylegan2", found), discriminator_of("stylegan2", found)
    compare(Phases(*(network.requires_grad_(True) for network in networks), found), phase)


@needs_shared
@pytest.mark.parametrize("phase", PHASES)
def test_stylegan2_with_classes(phase):
    found = arrays(SHARED / "sg2ada_b_32_losses.npz")
    checkpoint = importers.read(SHARED / "sg2ada_b_32_cond3.pkl")
    networks = ready(checkpoint.training_generator, build), ready(checkpoint.discriminator)
    compare(Phases(*(network.requires_grad_(True) for network in networks), found), phase)


def test_r1_of_stylegan1():
    compare_r1(importers.read(GOLDEN / "imp_sg1tf_32_cond3.pkl"), arrays(GOLDEN / "losses_stylegan1.npz"))


@needs_shared
def test_r1_of_stylegan1_without_classes():
    compare_r1(importers.read(SHARED / "sg1tf_64.pkl"), arrays(SHARED / "sg1tf_64.npz"))


def compare_r1(checkpoint, found):
    """Single activations at leaky ReLU's kink may flip, so gradients agree only in the mean."""
    judge = ready(checkpoint.discriminator)
    images = found["d_img"][:4].clone().requires_grad_(True)
    scores = judge(images, found["d_c"][:4] if "d_c" in found else None)
    (gradient,) = torch.autograd.grad(scores.sum(), images, retain_graph=True)
    expected = found["r1_grads_first4"]
    assert (gradient[: len(expected)] - expected).norm() < 1e-2 * expected.norm()
    torch.testing.assert_close(losses.r1_penalty(scores, images), found["r1_penalty_first4"], rtol=1e-3, atol=0)


@pytest.mark.parametrize("active", [6, 4, 2])
def test_style_mixing(active):
    ws, other = torch.zeros(2000, 6, 3), torch.ones(2000, 6, 3)
    mixed = losses.mixed_styles(ws, other, 0.9, active)[:, :, 0]
    assert not mixed[:, 0].any()  # the first layer is never the other's
    assert (mixed.diff(dim=1) >= 0).all()  # from some layer on everything is
    assert mixed[:, active - 1].mean().item() == pytest.approx(0.9, abs=0.03)
    assert mixed[:, :active].sum(dim=1).unique().tolist() == list(range(active))
    assert torch.equal(losses.mixed_styles(ws, other, 0.0, active), ws)


def test_path_lengths_are_those_of_the_layers_in_use():
    ws, directions, weights = torch.randn(3, 6, 5), torch.randn(3, 3, 4, 4), torch.randn(20, 48)

    def lengths(ws):
        images = (ws.requires_grad_()[:, :4].flatten(1) @ weights).view(3, 3, 4, 4)
        return losses.path_lengths(images, ws, directions, 4)

    torch.testing.assert_close(lengths(ws), lengths(ws[:, :4].clone()))
