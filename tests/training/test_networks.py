"""What a run begins from."""

from itertools import pairwise
from pathlib import Path

import pytest
import small_families
import torch
from small_runs import write_pictures
from small_trainers import trainer_of

from stylegan_cli import importers
from stylegan_cli.architectures import build_discriminator
from stylegan_cli.errors import UsageError
from stylegan_cli.importers import Checkpoint, Network
from stylegan_cli.importers.configs import WHOLE_BATCH
from stylegan_cli.parallel import World
from stylegan_cli.training import checkpoints, networks, presets
from stylegan_cli.training.data import Loader, Pictures
from stylegan_cli.training.folder import RunFolder
from stylegan_cli.training.loop import MEASURED, Trainer
from stylegan_cli.training.resuming import open_resumed
from stylegan_cli.training.state import begin

GOLDEN = Path(__file__).parents[1] / "golden"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("data") / "larger", size=32, classes=2)


def resumed(name, folder, labelled=False, **said):
    checkpoint = importers.read(GOLDEN / name)
    pictures = Pictures(folder, None, labelled)
    options = presets.plan(pictures, {"batch": "8"} | said, "auto", (name, checkpoint), 1, CPU)
    return checkpoint, options, begin(options, networks.start_of(checkpoint), CPU)


@pytest.mark.parametrize("name", ["imp_sg2ada_c_32_clamp.pkl", "imp_sg1tf_32_cond3.pkl"])
def test_all_three_networks_of_a_model_are_taken_over(larger, name):
    checkpoint, options, state = resumed(name, larger)
    assert options.cfg == checkpoint.generator.family
    pairs = [(state.average, checkpoint.generator), (state.discriminator, checkpoint.discriminator)]
    pairs.append((state.generator, checkpoint.training_generator))
    for network, stored in pairs:
        same = [torch.equal(t, stored.tensors[k]) for k, t in network.state_dict().items() if k in stored.tensors]
        assert sum(same) > 0.8 * len(stored.tensors)
    assert options.growth.lod(0) == 0
    assert state.generator.c_dim == 0


@pytest.mark.parametrize("size", [16, 64])
@pytest.mark.parametrize("name", ["imp_sg2ada_c_32_clamp.pkl", "imp_sg1tf_32_cond3.pkl"])
def test_a_model_learns_another_resolution(tmp_path, name, size):
    """Of its layers all that still have a place are taken, and training goes on; a StyleGAN grows from where it was."""
    folder = write_pictures(tmp_path / "others", size=size)
    checkpoint, options, state = resumed(name, folder, batch_gpu="4", aug="none")
    assert options.resolution == size and state.generator.resolution == state.discriminator.config.resolution == size
    pairs = [(state.average, checkpoint.generator), (state.discriminator, checkpoint.discriminator)]
    for network, stored in pairs:
        own = network.state_dict()
        shared = [key for key in stored.tensors if key in own and "mapping" not in key and "w_avg" not in key]
        same = [key for key in shared if torch.equal(own[key], stored.tensors[key])]
        assert len(same) >= 0.9 * len(shared) and len(shared) > 0.3 * len(stored.tensors)
    assert options.warmup_kimg == presets.WARMUP  # of classes, and where the first layers are new
    if options.cfg == "stylegan1":
        assert options.growth.first == min(32, size) and options.growth.last == size
    trainer = Trainer(options, state, Loader(Pictures(folder, None), 0, mirror=False), World(), CPU)
    trainer.step()
    assert trainer.sums[MEASURED.index("loss_d"), 1] == 8 and trainer.sums.isfinite().all()


@pytest.mark.parametrize("size", [16, 64])
def test_layers_that_are_new_are_not_frozen(tmp_path, size):
    with pytest.raises(
        UsageError, match=r"freezes the layers next to the pictures, which are new: --resume .* makes 32 "
    ):
        resumed("imp_sg2ada_c_32_clamp.pkl", write_pictures(tmp_path / "others", size=size), freezed=1)


def test_a_larger_resolution_needs_feature_maps(tmp_path):
    checkpoint = importers.read(GOLDEN / "imp_sg2ada_c_32_clamp.pkl")
    small = Checkpoint("", Network("stylegan2", checkpoint.generator.config | {"channel_base": 32}, {}), None)
    folder = write_pictures(tmp_path / "others", size=64)
    with pytest.raises(UsageError, match="--resume x has a --cbase of 32, which leaves no feature map at 64 pixels"):
        presets.plan(Pictures(folder, None), {"batch": "8"}, "auto", ("x", small), 1, CPU)


def test_a_discriminator_that_compares_whole_batches_is_trained_as_such(larger):
    """Each part of a batch is its one group, whatever its size."""
    checkpoint = importers.read(GOLDEN / "imp_sg2ada_c_32_clamp.pkl")
    judge = checkpoint.discriminator
    config = {**judge.config, "mbstd_group_size": WHOLE_BATCH}
    whole = Checkpoint("", checkpoint.generator, Network(judge.family, config, judge.tensors))
    options = presets.plan(Pictures(larger, None), {"batch": "10", "batch_gpu": "5"}, "auto", ("x", whole), 2, CPU)
    assert options.discriminator["mbstd_group_size"] == WHOLE_BATCH
    loader = Loader(Pictures(larger, None), 0, mirror=False)
    trainer = Trainer(options, begin(options, networks.start_of(whole), CPU), loader, World(), CPU)
    trainer.step()
    assert trainer.sums[MEASURED.index("loss_d"), 1] == 10


def test_classes_are_new_to_a_model_without(larger):
    checkpoint, options, state = resumed("imp_sg2ada_c_32_clamp.pkl", larger, labelled=True)
    assert (checkpoint.generator.config["c_dim"], state.generator.c_dim, options.c_dim) == (0, 2, 2)
    name = "synthesis.b8.conv0.weight"
    assert torch.equal(state.average.state_dict()[name], checkpoint.generator.tensors[name])
    assert options.warmup_kimg == presets.WARMUP  # the discriminator's last layer is new


def test_seeds_keep_their_faces_when_classes_come_or_go(larger):
    """StyleGAN2 normalises z alone; and StyleGAN's joint normalisation scales what the first layer sees."""
    checkpoint, _, state = resumed("imp_sg2ada_c_32_clamp.pkl", larger, labelled=True)
    before, z = importers.generator(checkpoint, "x"), torch.randn(4, state.average.z_dim)
    c = state.average.one_hot(torch.tensor([0, 1, 0, 1]))
    with torch.no_grad():
        torch.testing.assert_close(state.average.to_w(z, c), before.to_w(z), atol=1e-5, rtol=1e-4)
    checkpoint, options, state = resumed("imp_sg1tf_32_cond3.pkl", larger)
    kept = state.average.state_dict()["mapping.fc0.weight"]
    first = checkpoint.generator.tensors["mapping.fc0.weight"]
    torch.testing.assert_close(kept, first[:, : kept.shape[1]] * (kept.shape[1] / first.shape[1]) ** 0.5)
    assert options.warmup_kimg == presets.WARMUP


def test_classes_that_both_have_stay_as_they_are():
    fewer, more = (small_families.make("stylegan2", number, c_dim=number) for number in (2, 5))
    networks.copy_matching(more, fewer.state_dict())
    z, last = torch.randn(2, 8), more.state_dict()["mapping.embed.weight"][:, 2:]
    with torch.no_grad():
        drawn = [model.to_w(z, model.one_hot(torch.tensor([0, 1]))) for model in (fewer, more)]
    torch.testing.assert_close(*drawn)
    assert last.std() > 0.1  # new ones begin at random


def test_a_model_of_another_family(larger):
    with pytest.raises(UsageError, match=r"is a stylegan1, which stylegan2 cannot start from; .* --cfg stylegan1"):
        resumed("imp_sg1tf_32_cond3.pkl", larger, cfg="stylegan2")


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2"])
def test_layers_freeze_from_the_picture_down(cfg):
    sizes = networks.Sizes(cbase=128, cmax=8, map_depth=2, latent=4)
    configs = networks.new_configs(cfg, 32, 2, sizes)
    judge = build_discriminator(cfg, configs.discriminator)
    everything = {name for name, _ in judge.named_parameters()}
    frozen = [networks.frozen_parameters(judge, n) for n in range(40)]
    assert frozen[0] == set() and frozen[-1] == everything
    assert all(fewer <= more for fewer, more in pairwise(frozen))
    assert any("fromrgb" in name for name in frozen[1])


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2"])
def test_some_feature_map_is_left(cfg):
    sizes = networks.Sizes(cbase=16, cmax=8, map_depth=1, latent=4)
    assert networks.new_configs(cfg, 16, 0, sizes).generator["resolution"] == 16
    with pytest.raises(UsageError, match="--cbase 16 leaves no feature map at 32 pixels"):
        networks.new_configs(cfg, 32, 0, sizes)


def test_a_run_that_is_still_growing_is_resumed_as_far_as_it_has_grown(tmp_path, pictures):
    trainer, run = trainer_of(pictures, cfg="stylegan1"), RunFolder(tmp_path / "run")
    run.path.mkdir()
    trainer.state.progress.nimg = 32
    run.begin(trainer.options, 0)
    checkpoints.save(trainer.state, run.checkpoints)
    found = open_resumed(str(run.path), tmp_path / "other").generator
    assert found.config["lod"] == trainer.options.growth.lod(0.032) == 0.5
