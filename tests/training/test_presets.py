"""From presets and wishes to options."""

import hashlib
import json
import re
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
from small_trainers import CPU

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.importers import Checkpoint, Network
from stylegan_cli.training import presets
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.networks import Start, sizes_of
from stylegan_cli.training.options import CFGS, Options
from stylegan_cli.training.state import begin


@pytest.fixture
def found(pictures):
    return Pictures(pictures, None)


def planned(found, preset="auto", processes=1, **said):
    return presets.plan(found, said, preset, None, processes, CPU)


@pytest.mark.parametrize("preset", presets.PRESETS)
@pytest.mark.parametrize("cfg", [None, *CFGS])
def test_every_preset_makes_networks(found, preset, cfg):
    if preset == "laptop" and cfg not in (None, "stylegan1"):
        with pytest.raises(UsageError, match=f"the preset laptop is for stylegan1, not for {cfg}"):
            planned(found, preset, cfg=cfg)
        return
    said = {} if cfg is None else {"cfg": cfg}
    options = planned(found, preset, cbase=256, cmax=8, **said)
    assert (options.pl_weight == 0) == (options.cfg != "stylegan2")
    state = begin(options, Start(), torch.device("cpu"))
    assert state.generator.family == options.family
    assert (sizes_of(options)["cbase"], sizes_of(options)["cmax"]) == (256, 8)
    assert Options.loads(options.dumps()) == options


def test_what_is_said_goes_before_presets(found):
    options = planned(found, "laptop", gamma="7", cmax=16)
    assert (options.gamma, options.generator["fmap_max"], options.discriminator["fmap_max"]) == ("7", 16, 16)


@pytest.mark.parametrize(
    ("batch", "parts", "most"), [("32", "16", 2), ("8", "4", 2), ("8:16,16:24", "8:8,16:12", 2), ("12", "12", 1)]
)
def test_on_a_cpu_one_process_and_two_train_the_same_model(found, batch, parts, most):
    for processes in (1, most):
        assert planned(found, processes=processes, batch=batch).batch_gpu == parts


def test_on_a_gpu_each_process_takes_its_share_at_once(found):
    cuda = torch.device("cuda")
    for processes, parts in ((1, "8:16,32:8"), (2, "8:8,32:4")):
        options = presets.plan(found, {"batch": "8:16,32:8"}, "auto", None, processes, cuda)
        assert options.batch_gpu == parts


@pytest.mark.parametrize(
    ("said", "processes", "sentence"),
    [
        ({"batch": "15"}, 2, "--batch 15 cannot be shared by 2 processes"),
        ({"batch": "16"}, 4, "16 in parts of --batch-gpu 8 pictures cannot be shared by 4 .* with --batch-gpu 4,"),
        ({"batch": "12"}, 2, "12 in parts of --batch-gpu 12 pictures cannot be shared by 2 .* with --batch-gpu 3,"),
        ({"batch": "20", "batch_gpu": "20"}, 2, "with --batch-gpu 2,"),
        ({"batch": "15", "batch_gpu": "3"}, 2, "--batch 15 cannot be shared by 2 processes; use a multiple"),
        (
            {"batch": "8:32,16:16", "cfg": "stylegan1"},
            4,
            "start a new run with --batch-gpu 8:8,16:4, or use fewer processes",
        ),
    ],
)
def test_processes_that_cannot_share_a_batch(found, said, processes, sentence):
    with pytest.raises(UsageError, match=sentence):
        planned(found, processes=processes, **said)
    if word := re.search("with --batch-gpu ([0-9:,]*[0-9])", sentence):
        assert planned(found, processes=processes, **said | {"batch_gpu": word[1]}).batch_gpu == word[1]


def test_no_parts_make_a_batch_fit_processes_that_do_not_divide_it(found):
    """Such as a run that is continued by more of them."""
    options = planned(found, cfg="stylegan1", batch="8:12,16:16")
    with pytest.raises(UsageError, match=r"^--batch 16 cannot be shared by 3 processes; .* fewer of them$"):
        presets.check_shared(options, 3)


def test_auto_grows_with_the_gpus_that_there_are(found):
    for processes, batch, gamma in ((1, 32, "0.0016"), (2, 64, "0.0008"), (3, 60, "0.0008533"), (8, 64, "0.0008")):
        options = presets.plan(found, {}, "auto", None, processes, torch.device("cuda"))
        assert (options.batch, options.gamma) == (str(batch), gamma)
        assert options.discriminator["mbstd_group_size"] == 4


def test_auto_follows_a_batch_that_is_said(found):
    """As NVIDIA's StyleGAN3 has it: what is typed with its --batch is the same run."""
    options = planned(found, batch="8")
    assert (options.batch, options.ema_kimg, options.gamma) == ("8", 2.5, "0.0064")
    assert planned(found, batch="8", gamma="1").gamma == "1"


def test_the_paper_preset_is_that_of_its_paper(found):
    one, two = (planned(found, "paper", cfg=cfg) for cfg in ("stylegan1", "stylegan2"))
    assert (one.batch, one.batch_at(16), one.glr[:5]) == ("8:256,16:128,32:64,64:32", 128, "0.001")
    assert (two.batch, two.glr) == ("32", "0.002")
    assert presets.values_of("paper", "stylegan1", 1024)["cbase"] == 16384


@pytest.mark.parametrize(("pixels", "gamma"), [(256, "2.048"), (512, "8.192"), (1024, "32.77")])
@pytest.mark.parametrize("cfg", ["stylegan3-t", "stylegan3-r"])
def test_stylegan3_is_what_nvidias_code_trains(cfg, pixels, gamma):
    """With batches of 32: `--cfg=stylegan3-t --gpus=8 --batch=32 --gamma=32.8 --mirror=1 --aug=noaug`."""
    nothing = SimpleNamespace(resolution=pixels, c_dim=0, fingerprint="")
    options = planned(nothing, "paper", cfg=cfg)
    assert (options.gamma, options.glr, options.dlr, options.ema_kimg, options.ema_rampup, options.mixing) == (
        *(gamma, "0.0025", "0.002", 10.0, 0.05, 0.0),
    )
    is_r = cfg == "stylegan3-r"
    assert (options.blur_init_sigma, options.blur_fade_kimg) == ((10, 200) if is_r else (0, 0))
    maker, judge = options.generator, options.discriminator
    assert (maker["channel_base"], maker["channel_max"]) == ((65536, 1024) if is_r else (32768, 512))
    assert (judge["channel_base"], judge["channel_max"]) == (32768, 512)
    assert (maker["conv_kernel"], maker["use_radial_filters"], maker["mapping_layers"]) == (1 if is_r else 3, is_r, 2)
    assert maker["magnitude_ema_beta"] == 0.5 ** (32 / 20_000)
    assert planned(nothing, "auto", cfg=cfg, batch="32").gamma == gamma


def test_a_stylegan3_is_gone_on_with_as_what_it_is(found):
    """T or R; unblurred, because what it draws is no noise any more."""
    for cfg in ("stylegan3-t", "stylegan3-r"):
        new = planned(found, cfg=cfg, cbase=128, cmax=8)
        model = Checkpoint("", Network("stylegan3", new.generator, {}), None)
        again = presets.plan(found, {}, "paper", ("x", model), 1, CPU)
        assert (again.cfg, again.blur_init_sigma, again.ema_rampup, again.ada_kimg) == (cfg, 0, None, 100)
        assert (again.generator, again.discriminator["channel_max"]) == (new.generator, 8)
        other = "stylegan3-r" if cfg == "stylegan3-t" else "stylegan3-t"
        with pytest.raises(UsageError, match=f"--resume x is a {cfg}, which {other} cannot start from"):
            presets.plan(found, {"cfg": other}, "auto", ("x", model), 1, CPU)
    larger = SimpleNamespace(resolution=32, c_dim=0, fingerprint="")
    with pytest.raises(UsageError, match=r"--resume x makes 16 pixels, .* cannot make 32; use --resolution 16"):
        presets.plan(larger, {}, "auto", ("x", model), 1, CPU)


USUAL = {
    "seed": 0, "ema_rampup": 0.05, "mixing": 0.9, "pl_weight": 0.0, "first_res": 8, "stable_kimg": "600",
    "fade_kimg": "600", "mirror": False, "aug": "none", "p": 0.0, "augpipe": "bgc", "target": 0.6, "ada_kimg": 500.0,
    "freezed": 0, "warmup_kimg": 0.0, "blur_init_sigma": 0.0, "blur_fade_kimg": 0.0, "precision": "fp32",
    "cmax": 512, "map_depth": 8, "latent": 512, "mbstd_group": 4, "kimg": 25000.0, "tick": 4.0,
}  # fmt: skip
PAPER = {"cbase": 16384, "gamma": "10", "ema_kimg": 10.0, "ema_rampup": None, "mirror": True}
GROWN = "0.001,128:0.0015,256:0.002,512:0.003"
RUNS = {
    ("auto", "stylegan2", 256): {
        "batch": "16", "batch_gpu": "8", "glr": "0.0025", "dlr": "0.0025", "gamma": "0.8192", "ema_kimg": 5.0,
        "pl_weight": 2.0, "aug": "ada", "cbase": 16384, "map_depth": 2,
    },
    ("paper", "stylegan1", 256): PAPER | {
        "batch": "8:256,16:128,32:64,64:32", "batch_gpu": "8:128,16:64,32:32,64:16", "glr": GROWN, "dlr": GROWN,
    },
    ("paper", "stylegan2", 256): PAPER | {
        "batch": "32", "batch_gpu": "16", "glr": "0.002", "dlr": "0.002", "pl_weight": 2.0,
    },
    ("laptop", "stylegan1", 64): {
        "batch": "16", "batch_gpu": "8", "glr": "0.002", "dlr": "0.002", "gamma": "8:0.5,16:0.3,32:0.2,64:0.1",
        "ema_kimg": 5.0, "stable_kimg": "8:40,16:40,32:60", "fade_kimg": "16:20,32:30,64:30", "mirror": True,
        "cbase": 2048, "cmax": 128, "latent": 256, "kimg": 380.0, "tick": 1.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_what_a_preset_makes_of_nothing_said(run):
    preset, cfg, pixels = run
    nothing = SimpleNamespace(resolution=pixels, c_dim=0, fingerprint="")
    options = planned(nothing, preset, **({"cfg": cfg} if preset == "paper" else {}))
    pace = presets.pace(preset, cfg, pixels)
    fixed = {"cfg": cfg, "data": "", "resolution": pixels, "c_dim": 0, "resume": ""}
    found = asdict(options) | sizes_of(options) | {"kimg": pace.kimg, "tick": pace.tick}
    del found["generator"], found["discriminator"]
    assert found == USUAL | RUNS[run] | fixed


@pytest.mark.parametrize(("lod", "pixels"), [(0.0, 16), (0.4, 16), (0.6, 8), (1.0, 8), (2.0, 4)])
def test_a_model_that_was_still_growing_goes_on_from_there(found, lod, pixels):
    config = planned(found, cfg="stylegan1", cbase=128, cmax=8).generator | {"lod": lod}
    growing = Checkpoint("", Network("stylegan1", config, {}), None)
    assert presets.plan(found, {}, "auto", ("x", growing), 1, CPU).first_res == pixels


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"aug": "none", "augpipe": "bg"}, "--augpipe is for --aug ada or fixed"),
        ({"aug": "fixed", "target": 0.5}, "--target is for --aug ada, but this is fixed"),
        ({"aug": "ada", "p": 0.5}, "--p is for --aug fixed, but this is ada"),
        ({"cfg": "stylegan2", "first_res": 8}, "--first-res is for --cfg stylegan1"),
        ({"cfg": "stylegan3-t", "fade_kimg": "8"}, "--fade-kimg is for --cfg stylegan1, but this is stylegan3-t"),
    ],
)
def test_nothing_is_said_in_vain(found, said, sentence):
    with pytest.raises(UsageError, match=sentence):
        planned(found, **said)


@pytest.mark.parametrize("cfg", CFGS)
def test_the_minibatch_deviation_can_be_left_out(found, cfg):
    options = planned(found, cfg=cfg, cbase=128, cmax=8, mbstd_group=0)
    scores = begin(options, Start(), torch.device("cpu")).discriminator(torch.zeros(3, 3, 16, 16))
    assert scores.shape == (3, 1)


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2"])
def test_pictures_are_judged_alone_where_the_error_says_how(found, cfg):
    said = {"cfg": cfg, "cbase": 128, "cmax": 8, "batch": "4", "batch_gpu": "1"}
    with pytest.raises(UsageError, match=r"--batch-gpu 1 leaves nothing .* or --mbstd-group 1$"):
        planned(found, **said)
    options = planned(found, **said, mbstd_group=1)
    scores = begin(options, Start(), torch.device("cpu")).discriminator(torch.zeros(1, 3, 16, 16))
    assert scores.isfinite().all()


def test_auto_leaves_some_gpus_a_single_picture(found):
    options = presets.plan(found, {}, "auto", None, 64, torch.device("cuda"))
    assert (options.batch, options.batch_gpu) == ("64", "1")


def test_float16_clamps_stylegan2(found):
    assert planned(found, precision="fp16", cfg="stylegan3-t").discriminator["conv_clamp"] == 256
    for network in ("generator", "discriminator"):
        assert getattr(planned(found, precision="fp16"), network)["conv_clamp"] == 256
        assert getattr(planned(found, precision="bf16"), network)["conv_clamp"] is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"cfg": "stylegan2"', b'"cfg": "stylegan2\xff"'),
        (b'"resolution": 16', b'"resolution": "16"'),
        (b'"resolution": 16', b'"resolution": 0'),
        (b'"generator": {', b'"generator": [], "discriminator": {'),
        (b'"seed": 0', b'"seed": ' + b"[" * 100_000),
    ],
    ids=["not UTF-8", "text", "no pixels", "list", "depth"],
)
def test_damaged_options(found, old, new):
    text = planned(found).dumps().encode()
    assert old in text
    with pytest.raises(StyleganError, match=r"training_options\.json is damaged and cannot be read"):
        Options.loads(text.replace(old, new, 1))


def test_a_run_is_known_by_what_it_began_with(found):
    """Older versions, from whose runs others were started, had fewer options."""
    options = planned(found)
    before = {name: value for name, value in asdict(options).items() if not name.startswith("blur")}
    assert options.identity == hashlib.sha256(json.dumps(before, indent=2).encode()).hexdigest()
    assert replace(options, blur_fade_kimg=1.0).identity != options.identity


def test_options_of_a_newer_version_are_refused_by_name(found):
    """Without them the run would go on as another one."""
    text = planned(found).dumps()
    with pytest.raises(
        StyleganError, match=r"contains 'warm_up', which this version does not know; continue with the version"
    ):
        Options.loads(text.replace('"seed"', '"warm_up": 9, "seed"'))
    with pytest.raises(StyleganError, match="is damaged and cannot be read"):
        Options.loads("[]")
