"""The loop: what it learns, what it keeps, and that going on is the same as never having stopped."""

import copy
import itertools
import time
from dataclasses import asdict
from typing import ClassVar

import pytest
import torch
from small_trainers import learned, steps, trainer_of

from stylegan_cli.errors import StyleganError
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.parallel import World
from stylegan_cli.training import checkpoints, loop, losses, networks
from stylegan_cli.training.data import DamagedError
from stylegan_cli.training.loop import MEASURED, SMALLEST_SCALE, Moment, Pace, train


def weights(trainer):
    return trainer.state.tensors()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2", "stylegan3-r"])
def test_everything_learns(pictures, cfg):
    trainer = trainer_of(pictures, cfg=cfg, **({"first_res": 4} if cfg == "stylegan1" else {}))
    before = copy.deepcopy(weights(trainer))
    after = weights(steps(trainer, 14))
    constant = ("noise_const", "w_avg", "g_adam", "d_adam", "filter", "freqs", "phases", "transform")
    still = [key for key in before if torch.equal(before[key], after[key]) and not any(c in key for c in constant)]
    assert still == []


@pytest.mark.parametrize(
    "said",
    [
        {"cfg": "stylegan1"},
        {"aug": "ada", "ada_kimg": 0.1, "target": -1.0},
        {"mirror": True},
        {"warmup_kimg": 0.04},
        {"cfg": "stylegan3-r"},
    ],
    ids=lambda said: " ".join(map(str, said.values())),
)
def test_going_on_is_the_same_as_never_having_stopped(tmp_path, pictures, said):
    straight = steps(trainer_of(pictures, **said), 9)
    first = steps(trainer_of(pictures, **said), 3)  # between two moves of the augmentation's probability
    checkpoints.save(first.state, tmp_path)
    second = trainer_of(pictures, **said)
    second.state.load(*checkpoints.newest(tmp_path))
    steps(second, 6)
    assert asdict(second.state.progress) == asdict(straight.state.progress)
    assert same(weights(second), weights(straight))


def test_seeds_differ(pictures):
    runs = [weights(steps(trainer_of(pictures, seed=seed), 2)) for seed in (0, 0, 1)]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_growing_follows_the_schedule(pictures):
    trainer = trainer_of(pictures, cfg="stylegan1")
    seen = []
    for _ in range(8):
        seen.append(Moment.of(trainer.options, trainer.state.progress.nimg).lod)
        trainer.step()
    assert seen == pytest.approx([1, 1, 1, 0.75, 0.5, 0.25, 0, 0])
    assert trainer.state.average.lod == trainer.state.discriminator.lod == 0


def test_what_has_not_grown_yet_does_not_move(pictures):
    trainer = trainer_of(pictures, cfg="stylegan1", stable_kimg="10")
    before = copy.deepcopy(weights(trainer))
    after = weights(steps(trainer, 2))
    newest = "g.synthesis.layers.4.weight"
    assert torch.equal(before[newest], after[newest])
    assert not torch.equal(before["g.synthesis.layers.3.weight"], after["g.synthesis.layers.3.weight"])


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2", "stylegan3-t"])
def test_classes(classed, cfg):
    trainer = steps(trainer_of(classed, labelled=True, cfg=cfg), 2)
    assert trainer.state.generator.c_dim == 3
    assert trainer.sums[MEASURED.index("loss_d"), 1] == 8


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2", "stylegan3-r"])
def test_while_the_discriminator_warms_up_the_generator_rests(pictures, cfg):
    """And its average, which in many files is a network of its own."""
    trainer = trainer_of(pictures, cfg=cfg, warmup_kimg=0.032)
    for parameter in trainer.state.average.parameters():
        parameter.add_(0.1)

    def parameters():
        networks = trainer.state.generator, trainer.state.average, trainer.state.discriminator
        return [[t.detach().clone() for t in network.state_dict().values()] for network in networks]

    def moved(before):
        pairs = zip(before, parameters(), strict=True)
        return [any(not torch.equal(*pair) for pair in zip(*network, strict=True)) for network in pairs]

    begun = parameters()
    steps(trainer, 4)
    assert moved(begun) == [False, False, True]
    rested = parameters()
    assert moved(rested) == [False, False, False]
    steps(trainer, 1)
    assert moved(rested) == [True, True, True]


def test_frozen_layers_stay(pictures):
    trainer = trainer_of(pictures, freezed=3)
    before = copy.deepcopy(trainer.state.discriminator.state_dict())
    after = steps(trainer, 2).state.discriminator.state_dict()
    still = {key.rpartition(".")[0] for key in before if torch.equal(before[key], after[key])}
    assert still == {"b16.fromrgb", "b16.conv0", "b16.conv1"}


def test_frozen_layers_of_stylegan1(pictures):
    judge = trainer_of(pictures, cfg="stylegan1").state.discriminator
    names = networks.frozen_parameters(judge, 4)
    layers = {name.rpartition(".")[0] for name in names}
    assert layers == {"fromrgb.2", "blocks.2.conv0", "blocks.2.conv1", "blocks.1.conv0"}


def probabilities(trainer):
    """The augmentation's, after each of 12 steps."""
    return [steps(trainer, 1).state.progress.p for _ in range(12)]


def test_augmentation_is_steered_by_real_scores(pictures):
    trainer = trainer_of(pictures, aug="ada", ada_kimg=0.1, target=-0.5, seed=1)
    found = probabilities(trainer)
    assert found[2] == 0 < found[3] == found[4]  # every fourth step moves it
    assert trainer.state.progress.seen == 0


def test_augmentation_is_steered_by_the_signs_of_the_last_four_steps(pictures, monkeypatch):
    trainer, steered = trainer_of(pictures, aug="ada", ada_kimg=0.1, target=0.3), []
    monkeypatch.setattr(loop, "steered", lambda *how: steered.append(how) or 0.125 * len(steered))
    signs = [steps(trainer, 1).sums[MEASURED.index("sign_real"), 0].item() for _ in range(8)]
    first, second = sum(signs[:4]) / 32, sum(signs[4:]) / 32
    assert steered == [(0, first, 0.3, 0.032, 0.1), (0.125, second, 0.3, 0.032, 0.1)]
    assert trainer.state.progress.p == 0.25


def test_augmentation_waits_for_the_generator(pictures):
    """Which a new discriminator tells from pictures at once, without knowing any by heart."""
    found = probabilities(trainer_of(pictures, aug="ada", ada_kimg=0.1, target=-2.0, warmup_kimg=0.05))
    assert found[5] == 0 < found[-1]  # six steps are 0.048 kimg


def test_losses_that_are_not_finite_stop_training(pictures):
    trainer = trainer_of(pictures)
    with torch.no_grad():
        trainer.state.discriminator.b4.out.bias.fill_(float("nan"))
    with pytest.raises(StyleganError, match=r"not finite after 0.0 kimg; try a smaller --glr .* with --resume"):
        trainer.step()


def test_the_average_follows(pictures):
    trainer = trainer_of(pictures, ema_kimg=0.0)
    steps(trainer, 3)
    for newest, average in zip(trainer.state.generator.parameters(), trainer.state.average.parameters(), strict=True):
        torch.testing.assert_close(newest, average)
    slow = trainer_of(pictures, ema_kimg=8 / 1000, ema_rampup=None)
    before = next(slow.state.average.parameters()).clone()
    steps(slow, 1)
    newest = next(slow.state.generator.parameters())
    torch.testing.assert_close(next(slow.state.average.parameters()), (before + newest) / 2)


def test_stylegan3_normalises_by_what_its_layers_got(pictures):
    """By the mean over all parts of the batches that the discriminator learned from; the average does likewise."""
    trainer = trainer_of(pictures, cfg="stylegan3-t", batch="8", batch_gpu="4", glr="0")
    state = trainer.state
    layers = state.generator.synthesis.styled
    beta = state.generator.config.magnitude_ema_beta
    assert beta == 0.5 ** (8 / 20_000)
    seen = []
    hook = layers[3].register_forward_pre_hook(
        lambda _layer, inputs: seen.append(inputs[0].square().mean()) if not torch.is_grad_enabled() else None
    )
    steps(trainer, 1)
    hook.remove()
    assert len(seen) == 2
    expected = 1 * beta + sum(seen) / 2 * (1 - beta)
    torch.testing.assert_close(layers[3].magnitude_ema, expected, rtol=1e-6, atol=0)
    assert state.average.synthesis.styled[3].magnitude_ema == layers[3].magnitude_ema != 1


class Half(World):
    """One of two processes, which adds what it has to `added`."""

    added: ClassVar[list[torch.Tensor]] = []

    def add_gradients(self, parameters):
        pass

    def add(self, values):
        self.added.append(values.clone())
        return values * 0 if values.ndim == 0 else values  # nobody failed


def test_processes_share_what_stylegan3_normalises_by(pictures):
    """Each adds the means of its own parts."""
    said = {"cfg": "stylegan3-t", "batch_gpu": "4", "glr": "0"}
    together = steps(trainer_of(pictures, **said), 1).state.generator
    for rank in range(2):
        one = trainer_of(pictures, **said)
        one.world = Half(rank, 2)
        steps(one, 1)
    shape, beta = (len(together.layers) - 1,), together.config.magnitude_ema_beta
    mine, other = (values for values in Half.added if values.shape == shape)
    found = torch.stack([layer.magnitude_ema for layer in together.synthesis.styled])
    torch.testing.assert_close(found, beta + (1 - beta) * (mine + other))


def test_ticks_snapshots_and_the_end(pictures):
    trainer = trainer_of(pictures)
    ticks, snapshots, counted = [], [], []
    done = train(
        trainer, Pace(0.1, 0.02, 2), lambda tick: ticks.append(tick.nimg),
        lambda: snapshots.append(trainer.state.progress.nimg), lambda: False, lambda: counted.append(1),
    )  # fmt: skip
    assert done
    assert ticks == [24, 40, 64, 80, 104]
    assert snapshots == [40, 80, 104]
    assert len(counted) == 13


@pytest.mark.parametrize(("done", "count"), [(0, 3), (30, 3), (40, 2), (79, 2), (80, 1), (99, 1), (100, 0), (200, 0)])
def test_how_many_snapshots_there_will_be(done, count):
    """After 40, 80 and 100 kimg."""
    assert Pace(100, 4, 10).snapshots(done) == count


def test_stopping_keeps_what_there_is(pictures):
    trainer = trainer_of(pictures)
    snapshots = []
    asked = iter([False, False, True])
    done = train(
        trainer, Pace(1), lambda _: None, lambda: snapshots.append(trainer.state.progress.nimg),
        lambda: next(asked), lambda: None,
    )  # fmt: skip
    assert (done, snapshots) == (False, [24])


def test_path_lengths_have_a_running_mean(pictures):
    trainer = steps(trainer_of(pictures, pl_weight=2.0), 1)
    sum_, count = trainer.sums[MEASURED.index("path_length")].tolist()
    assert count == 4
    assert trainer.state.progress.path_mean == pytest.approx(0.01 * sum_ / count)


def ticks_of(trainer, kimg, tick):
    ticks = []
    train(trainer, Pace(kimg, tick), ticks.append, lambda: None, lambda: False, lambda: None)
    return ticks


def test_a_tick_tells_the_learning_rates_of_its_resolution(pictures):
    """Without what lazy regularisation makes of them."""
    ticks = ticks_of(trainer_of(pictures, cfg="stylegan1", glr="8:0.001,16:0.002", dlr="0.003"), 0.032, 0.016)
    assert [(tick.resolution, tick.glr, tick.dlr) for tick in ticks] == [(8, 0.001, 0.003), (16, 0.002, 0.003)]


def test_a_tick_tells_of_its_own_time_alone(pictures, monkeypatch):
    """Whenever somebody looks at the clock, a second has passed: training waits for one in each step."""
    trainer = trainer_of(pictures)
    monkeypatch.setattr(time, "perf_counter", itertools.count().__next__)
    ticks = ticks_of(trainer, 0.048, 0.024)
    found = [(tick.images_per_second * tick.seconds, tick.wait * tick.seconds) for tick in ticks]
    assert found == [pytest.approx((24, 3))] * 2
    assert all(tick.seconds > 3 for tick in ticks)


@pytest.mark.parametrize("pl_weight", [2.0, 0.0])
def test_a_tick_tells_the_mean_of_path_lengths_if_there_is_one(pictures, pl_weight):
    trainer = trainer_of(pictures, pl_weight=pl_weight)
    (tick,) = ticks_of(trainer, 0.008, 0.008)
    assert tick.path_mean == (trainer.state.progress.path_mean if pl_weight else None) != 0


def test_a_fixed_probability_stays(pictures):
    trainer = steps(trainer_of(pictures, aug="fixed", p=0.5), 5)
    assert trainer.state.progress.p == 0.5


@pytest.mark.parametrize(("precision", "scale"), [("bf16", 1), ("fp16", 2.0**10)])  # no step was left out
@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2", "stylegan3-t"])
def test_half_precision_learns_as_float32_does(pictures, cfg, precision, scale):
    # The seed is one whose first pictures small differences hardly change; later steps enlarge all of them.
    half, whole = (trainer_of(pictures, cfg=cfg, precision=name, seed=3) for name in (precision, "fp32"))
    found, expected = learned(half, 1), learned(whole, 1)
    found["sign_real"] = expected["sign_real"]  # which a rounding may turn
    assert half.state.generator.dtype == PRECISIONS[precision]
    assert half.state.scaler.get_scale() == scale
    assert found != expected and all(expected[name] for name in ("r1", "loss_g", "loss_d"))
    assert found == pytest.approx(expected, rel=0.05, abs=0.1)


def test_a_step_whose_gradients_leave_float16_is_left_out(tmp_path, pictures):
    trainer = trainer_of(pictures, precision="fp16")
    trainer.state.scaler.load_state_dict(trainer.state.scaler.state_dict() | {"scale": 2.0**40})
    before = copy.deepcopy(weights(trainer))
    after = weights(steps(trainer, 1))
    assert all(torch.equal(before[key], after[key]) for key in before if key.startswith(("g.", "d.")))
    assert after["scaler.scale"] < before["scaler.scale"]
    checkpoints.save(trainer.state, tmp_path)
    other = trainer_of(pictures, precision="fp16")
    other.state.load(*checkpoints.newest(tmp_path))
    assert same(weights(other), after)
    assert same(weights(steps(other, 2)), weights(steps(trainer, 2)))


def test_regularisers_that_leave_float16_cost_their_steps_only(pictures, monkeypatch):
    """Not the run: they count nowhere, also not in the running mean of path lengths."""
    monkeypatch.setattr(losses, "SCALE", 2.0**40)
    trainer = trainer_of(pictures, precision="fp16", pl_weight=2.0)
    trainer.state.progress.path_mean = 0.5
    steps(trainer, 1)
    assert [trainer.sums[MEASURED.index(name)].tolist() for name in ("r1", "path_length")] == [[0, 0], [0, 0]]
    assert (trainer.state.progress.path_mean, trainer.state.scaler.get_scale()) == (0.5, 2.0**8)
    tensors = trainer.state.tensors()
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert {tensor.item() for name, tensor in tensors.items() if name.endswith(".step")} == {
        1
    }  # of two, in each network


def test_a_regulariser_that_leaves_float32_ends_a_run(pictures, monkeypatch):
    monkeypatch.setattr(losses, "SCALE", torch.inf)
    with pytest.raises(StyleganError, match="losses are not finite"):
        trainer_of(pictures, pl_weight=0.0).step()


def test_gradients_that_never_fit_into_float16_end_a_run(pictures, monkeypatch):
    monkeypatch.setattr(losses, "SCALE", 2.0**40)
    trainer = trainer_of(pictures, precision="fp16")
    trainer.state.scaler.load_state_dict(trainer.state.scaler.state_dict() | {"scale": SMALLEST_SCALE})
    with pytest.raises(StyleganError, match=r"float16 cannot hold the gradients after 0.0 kimg; try --precision fp32"):
        trainer.step()


@pytest.mark.parametrize(("pl_weight", "share"), [(2.0, 4 / 5), (0.0, 1)])
def test_adam_forgets_as_fast_as_without_regularisation(pictures, pl_weight, share):
    state = trainer_of(pictures, pl_weight=pl_weight).state
    assert state.g_adam.param_groups[0]["betas"] == pytest.approx((0, 0.99**share))
    assert state.d_adam.param_groups[0]["betas"] == pytest.approx((0, 0.99 ** (16 / 17)))


def test_what_was_learned_before_a_damaged_picture_is_kept(pictures, monkeypatch):
    trainer, snapshots = trainer_of(pictures), []
    take = trainer.loader.take

    def take_until_16(positions, device):
        if trainer.state.progress.nimg == 16:
            raise DamagedError("000.png is damaged")
        return take(positions, device)

    monkeypatch.setattr(trainer.loader, "take", take_until_16)
    with pytest.raises(DamagedError):
        train(
            trainer, Pace(1), lambda _: None, lambda: snapshots.append(trainer.state.progress.nimg),
            lambda: False, lambda: None,
        )  # fmt: skip
    assert snapshots == [16]
