"""What a step does with its losses, by networks so simple that the outcome can be told beforehand.

The generator makes `scale` times `w` in every pixel, the discriminator is a scalar product with `theta`, and both learn
by plain gradient descent.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylegan_cli.generator import Layer
from stylegan_cli.parallel import World
from stylegan_cli.training.data import Batch
from stylegan_cli.training.loop import MEASURED, Trainer
from stylegan_cli.training.options import Options
from stylegan_cli.training.state import Progress, State

CPU = torch.device("cpu")
PIXELS = 16


class Maker(nn.Module):
    """`ws` are kept in `styles`; without `chance` every `w` is 1."""

    z_dim, c_dim = 1, 0
    layers = tuple(Layer(i, 4 << i // 2, 1) for i in range(6))

    def __init__(self, chance):
        super().__init__()
        self.scale, self.chance, self.styles = nn.Parameter(torch.tensor(0.5)), chance, []

    def to_w(self, z, c):
        return (z if self.chance else torch.ones_like(z)).requires_grad_()  # as if it were learned

    def broadcast(self, w):
        return w[:, None].expand(-1, len(self.layers), -1)

    def synthesize(self, ws, noise):
        assert noise is None  # drawn anew for every picture
        self.styles.append(ws.detach())
        return (self.scale * ws.mean(dim=(1, 2)))[:, None, None, None].expand(-1, 3, PIXELS, PIXELS)


class Judge(nn.Module):
    """What was judged is kept in `seen`."""

    def __init__(self):
        super().__init__()
        self.theta, self.seen = nn.Parameter(torch.randn(3, PIXELS, PIXELS) / 50), []

    def forward(self, images, c):
        self.seen.append(images.detach())
        return (images * self.theta).sum(dim=(1, 2, 3))[:, None]


class Reals:
    """A loader of always the same pictures."""

    waited, pictures = 0.0, SimpleNamespace(classes=None)

    def __init__(self, images):
        self.images = images

    def start(self, positions):
        pass

    def take(self, positions, device):
        return Batch(self.images[[position % len(self.images) for position in positions]], None)


def trainer_of(reals, chance=False, world=World(), progress=None, **said):  # noqa: B008
    """Of one part unless `batch_gpu` says otherwise."""
    torch.manual_seed(0)
    usual = {"cfg": "stylegan2", "batch": str(len(reals)), "batch_gpu": str(len(reals)), "glr": "0.1", "dlr": "0.1"}
    options = Options(data="", resolution=PIXELS, c_dim=0, generator={}, discriminator={}, **usual | said)
    maker, judge, average = Maker(chance), Judge(), Maker(chance)
    descents = (torch.optim.SGD(network.parameters(), lr=1.0) for network in (maker, judge))
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = State(maker, judge, average, *descents, scaler, progress or Progress(p=options.p))
    return Trainer(options, state, Reals(reals), world, CPU)


def noise(count=8):
    return torch.randn(count, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(1))


def learned(trainer):
    return trainer.state.generator.scale.item(), trainer.state.discriminator.theta.detach().clone()


def stepped(trainer):
    """What both networks were before a step, and are after it."""
    before = learned(trainer)
    trainer.step()
    return *before, *learned(trainer)


def test_the_generator_learns_what_deceives():
    scale, theta, after, _ = stepped(trainer_of(noise(), dlr="0"))
    score = scale * theta.sum()
    assert after == pytest.approx((scale + 0.1 * torch.sigmoid(-score) * theta.sum()).item(), rel=1e-5)


def test_the_discriminator_learns_to_tell():
    reals = noise()
    scale, theta, _, after = stepped(trainer_of(reals, glr="0", progress=Progress(step=1)))
    doubt = torch.sigmoid(scale * theta.sum()) * scale
    belief = (torch.sigmoid(-(reals * theta).sum(dim=(1, 2, 3)))[:, None, None, None] * reals).mean(dim=0)
    # The rate is less by the steps that regularise, a seventeenth of all.
    torch.testing.assert_close(after, theta - 0.1 * 16 / 17 * (doubt - belief))


@pytest.mark.parametrize(("kimg", "gamma"), [(3, 0.3), (3.5, 0.6)], ids=["8 pixels", "16 pixels"])
def test_r1_weighs_half_of_gamma_and_sixteen_times_as_much_every_sixteenth_step(kimg, gamma):
    """The gradient at any picture is theta. Black pictures, real and generated, teach nothing else."""
    trainer = growing(torch.zeros(4, 3, PIXELS, PIXELS), kimg, gamma="8:0.3,16:0.6", glr="0")
    trainer.state.generator.scale.data.zero_()
    _, theta, _, after = stepped(trainer)
    torch.testing.assert_close(after, theta - 0.1 * 16 / 17 * (gamma / 2 * 16) * 2 * theta)
    assert trainer.sums[MEASURED.index("r1")].tolist() == pytest.approx([4 * theta.square().sum().item(), 4])


def test_path_lengths_weigh_four_times_as_much_every_fourth_step():
    """A length is proportional to scale. Its running mean is that with this batch, also in the gradient."""
    trainer = trainer_of(noise(2), chance=True, pl_weight=2.0, dlr="0", progress=Progress(path_mean=0.2))
    trainer.state.discriminator.theta.data.zero_()
    scale, _, after, _ = stepped(trainer)
    length, count = trainer.sums[MEASURED.index("path_length")].tolist()
    assert count == 1  # half of the pictures
    slope = 2 * 0.99**2 * (length - 0.2) * length / scale
    assert after == pytest.approx(scale - 0.1 * 4 / 5 * (2.0 * 4) * slope, rel=1e-4)
    assert trainer.state.progress.path_mean == pytest.approx(0.2 + 0.01 * (length - 0.2))


@pytest.mark.parametrize("part", [1, 2, 4])
def test_a_batch_is_the_mean_of_its_parts(part):
    whole, parts = (trainer_of(noise(), batch_gpu=str(size)) for size in (8, part))
    for trainer in (whole, parts):
        trainer.step()
        trainer.step()
    torch.testing.assert_close(learned(parts), learned(whole))


def test_every_part_has_its_own_classes():
    reals, seen = noise(), []
    trainer = trainer_of(reals, batch_gpu="2", glr="0", dlr="0")
    take = trainer.loader.take
    trainer.loader.take = lambda where, device: Batch(take(where, device).images, torch.tensor(where)[:, None])
    trainer.state.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given))
    trainer.step()
    judged = [(images, classes[:, 0]) for images, classes in seen if classes is not None]
    assert len(judged) == 2 * 4  # also for R1
    assert all(torch.equal(images, reals[classes]) for images, classes in judged)


def test_classes_are_generated_as_often_as_they_are_in_the_data(monkeypatch):
    monkeypatch.setattr(Reals, "pictures", SimpleNamespace(classes=np.array([2, 2, 2, 0])))
    monkeypatch.setattr(Maker, "one_hot", lambda _, classes: F.one_hot(classes, 3), raising=False)
    trainer, seen = trainer_of(noise(400), glr="0", dlr="0"), []
    trainer.state.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    trainer.step()
    drawn = torch.cat([classes for classes in seen if classes is not None]).float().mean(dim=0)
    assert drawn.tolist() == pytest.approx([0.25, 0, 0.75], abs=0.05)


class Apart(World):
    """One of several processes, which hears nothing of the others."""

    def add_gradients(self, parameters):
        pass

    def add(self, values):
        return values * 0 if values.ndim == 0 else values  # nobody failed


def test_processes_learn_together_what_one_learns_alone():
    """Their gradients are added up; chance is that of a part, whoever computes it."""
    alone, *several = (
        stepped(trainer_of(noise(), chance=True, world=world, batch_gpu="2", glr="0", progress=Progress(step=1)))
        for world in (World(), Apart(0, 2), Apart(1, 2))
    )
    changes = [after - before for _, before, _, after in (alone, *several)]
    torch.testing.assert_close(changes[1] + changes[2], changes[0])


def test_regularisation_is_every_fourth_and_every_sixteenth_step():
    trainer = trainer_of(noise(2), chance=True, pl_weight=2.0, glr="0", dlr="0")
    done = {"path_length": [], "r1": []}
    for step in range(34):
        trainer.step()
        for name, found in done.items():
            if trainer.sums[MEASURED.index(name), 1]:
                found.append(step)
    assert done == {"path_length": list(range(0, 34, 4)), "r1": [0, 16, 32]}


@pytest.mark.parametrize("p", [1.0, 0.0])
def test_the_discriminator_sees_nothing_but_what_is_augmented(p):
    """In all four places: the generator's pictures twice, real ones with them and for R1."""
    reals = torch.full((4, 3, PIXELS, PIXELS), 0.5)
    trainer = trainer_of(reals, aug="fixed", p=p, augpipe="color", glr="0", dlr="0")
    trainer.step()
    assert len(trainer.state.discriminator.seen) == 4
    for images in trainer.state.discriminator.seen:
        assert torch.equal(images, reals) == (p == 0)


@pytest.mark.parametrize(("kimg", "sigma"), [(0, 2.0), (5, 1.0), (9, 0.2), (10, 0), (11, 0)])
def test_the_discriminator_sees_more_and_more(kimg, sigma):
    """In all four places, too: less and less blurred, and in the end all that there is."""
    reals = torch.zeros(4, 3, PIXELS, PIXELS)
    reals[:, :, 8, 8] = 1
    said = {"blur_init_sigma": 2.0, "blur_fade_kimg": 10.0, "glr": "0", "dlr": "0"}
    trainer = trainer_of(reals, progress=Progress(step=0, nimg=kimg * 1000), **said)
    trainer.step()
    assert len(trainer.state.discriminator.seen) == 4
    distance = torch.arange(PIXELS) - 8
    tap = torch.exp2(-((distance / max(sigma, 0.3)) ** 2)) * (distance.abs() <= int(3 * sigma))
    expected = torch.outer(tap, tap) / tap.sum() ** 2
    for images in trainer.state.discriminator.seen[2:]:
        torch.testing.assert_close(images[0, 0], expected, atol=1e-6, rtol=0)
    for images in trainer.state.discriminator.seen[:2]:  # of one colour: only their edges are blurred, into nothing
        assert bool((images == images[0, 0, 8, 8]).all()) == (sigma < 1)


def growing(reals, kimg, **said):
    """A trainer after so many kimg of growing from 4 to 16 pixels, a kimg each and as much to fade it in."""
    growth = {"cfg": "stylegan1", "first_res": 4, "stable_kimg": "1", "fade_kimg": "1"}
    return trainer_of(reals, progress=Progress(nimg=int(kimg * 1000)), **growth | said)


def halved(images):
    return F.interpolate(F.avg_pool2d(images, 2), scale_factor=2)


@pytest.mark.parametrize(
    ("kimg", "expected"),
    [(3, halved), (3.5, lambda images: (images + halved(images)) / 2), (4, lambda images: images)],
    ids=["stable", "fading", "grown"],
)
def test_real_pictures_are_no_sharper_than_the_networks(kimg, expected):
    reals = noise()
    trainer = growing(reals, kimg, glr="0", dlr="0", batch_gpu="4")
    trainer.step()
    order = [(int(kimg * 1000) + i) % 8 for i in range(8)]
    judged = [images for images in trainer.state.discriminator.seen if not (images == images[0, 0, 0, 0]).all()]
    assert len(judged) >= 2
    for i, images in enumerate(judged):
        torch.testing.assert_close(images, expected(reals)[order][4 * (i % 2) :][:4])


@pytest.mark.parametrize(("kimg", "glr", "dlr"), [(3, 0.1, 0.3), (3.5, 0.2, 0.6)], ids=["8 pixels", "16 pixels"])
def test_networks_learn_at_the_rates_of_the_resolution(kimg, glr, dlr):
    trainer = growing(noise(), kimg, glr="8:0.1,16:0.2", dlr="8:0.3,16:0.6")
    trainer.step()
    rates = [adam.param_groups[0]["lr"] for adam in (trainer.state.g_adam, trainer.state.d_adam)]
    assert rates == pytest.approx([glr, dlr * 16 / 17])


def test_styles_mix_among_the_layers_that_are_there():
    trainer = growing(noise(64), 3, chance=True, mixing=1.0)  # 8 pixels: four of six layers
    trainer.step()
    styles = torch.cat(trainer.state.generator.styles)[:, :, 0]
    assert (styles[:, 0] != styles[:, 3]).all()
    assert len({(row[:4] == row[0]).sum().item() for row in styles}) == 3  # wherever it may be


def test_every_step_draws_other_people():
    """And every phase of one."""
    trainer = trainer_of(noise(2), chance=True, pl_weight=2.0, glr="0", dlr="0")
    for _ in range(3):
        trainer.step()
    drawn = torch.cat(trainer.state.generator.styles)[:, 0, 0]
    assert len(drawn) == 2 * 3 * 2 + 1  # two phases a step, and path lengths in the first
    assert len(drawn.unique()) == len(drawn)


@pytest.mark.parametrize("nimg", [0, 100, 10_000])
def test_the_average_follows_faster_at_the_beginning(nimg):
    """Its half-life is a twentieth of what was seen, at most ema_kimg."""
    trainer = trainer_of(noise(), ema_kimg=0.1, ema_rampup=0.05, progress=Progress(nimg=nimg, step=1))
    trainer.state.average.scale.data.fill_(-3.0)
    trainer.step()
    newest, average = trainer.state.generator.scale.item(), trainer.state.average.scale.item()
    half_life = min(100, (nimg + 8) / 20)
    assert (average - newest) / (-3 - newest) == pytest.approx(math.pow(0.5, 8 / half_life), abs=1e-6)
