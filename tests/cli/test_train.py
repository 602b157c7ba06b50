"""`stylegan train` from beginning to end: small runs, and everything that can go wrong around them."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import filelock
import pytest
import torch
from PIL import Image
from plain_features import Means
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from small_runs import words, write_pictures

from stylegan_cli import importers, modelfile, store, tensorfile
from stylegan_cli.cli import features
from stylegan_cli.cli.train import view
from stylegan_cli.errors import StyleganError
from stylegan_cli.importers import rosinality
from stylegan_cli.media.film import CODECS
from stylegan_cli.metrics import watching
from stylegan_cli.metrics.sets import DataSet
from stylegan_cli.training import checkpoints, snapshots
from stylegan_cli.training.data import Loader, Pictures

METRIC = {"name": "fd", "title": "FD-means", "floor": 1.0, "num": 50, "seconds": 0.1}


@pytest.fixture(autouse=True)
def small_sheets(monkeypatch):
    """With four faces: to draw 64 takes about as long as to learn what they show."""
    draw = snapshots.fakes

    def four(generator):
        with monkeypatch.context() as small:
            small.setattr(snapshots, "GRID_PIXELS", 2 * generator.resolution)
            return draw(generator)

    monkeypatch.setattr(snapshots, "fakes", four)


@pytest.fixture
def faces(here):
    return write_pictures(here / "faces")


def tensors(run):
    """What a run has learned, and how far it is."""
    return checkpoints.newest(Path(run) / "checkpoints")


def checkpoint_of(run, nimg):
    (path,) = (path for path in Path(run, "checkpoints").iterdir() if checkpoints.read(path)[1]["nimg"] == nimg)
    return path


def alike(run, other):
    (one, progress), (two, also) = tensors(run), tensors(other)
    return progress == also and one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2", "stylegan3-t"])
def test_from_pictures_to_a_model_that_verbs_take(stylegan, faces, here, cfg):
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(cfg=cfg))
    assert (result.exit_code, result.stdout) == (0, "run/network-snapshot.safetensors\n"), result.stderr
    assert "24 pictures" in result.stderr
    assert {path.name for path in (here / "run").iterdir()} == {
        *("training_options.json", "command.json", "log.jsonl", "checkpoints", "network-snapshot.safetensors"),
        *("fakes000000.040.png", "fakes000000.080.png", "training.mp4", "reals.png", "report.html"),
    }
    lines = [json.loads(line) for line in (here / "run/log.jsonl").read_text().splitlines()]
    assert [line["kimg"] for line in lines] == [0.04, 0.08]
    assert {"loss_g", "loss_d", "r_t", "p", "images_per_second", "memory", "wait"} <= lines[0].keys()
    assert (lines[0]["glr"], lines[0]["path_mean"] is None) == (0.0025, cfg != "stylegan2")
    assert lines[0]["dlr"] == (0.002 if cfg == "stylegan3-t" else 0.0025)
    page = (here / "run/report.html").read_text()
    assert "<svg" in page and "data:image/webp" in page and "http" not in page
    drawn = stylegan("sample", "--seeds", "1", "--model", "run/network-snapshot.safetensors", "--out", "one.png")
    assert (drawn.exit_code, drawn.stdout) == (0, "one.png\n"), drawn.stderr


def test_a_model_saved_while_it_grows_knows_how_far_it_is(stylegan, faces, here):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(cfg="stylegan1", kimg=0.024, tick=0.008))
    found = importers.read(here / "run/network-snapshot.safetensors")
    assert found.generator.config["lod"] == pytest.approx(0.75)


def test_a_dry_run_tells_its_options_and_leaves_nothing(stylegan, faces, here):
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(aug="fixed", subset=20), "--dry-run")
    assert result.exit_code == 0, result.stderr
    options = json.loads(result.stdout)
    assert (options["aug"], options["p"], options["resolution"], options["kimg"]) == ("fixed", 0.2, 16, 0.08)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("flag", "mirrored"), [("--mirror=1", True), ("--mirror=true", True), ("--mirror=0", False), ("--mirror", True)]
)
def test_nvidias_way_of_saying_flags(stylegan, faces, flag, mirrored):
    result = stylegan("train", "--data", "faces", "--outdir", "run", "--cond=0", "--aug=noaug", flag, "-n")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["mirror"] is mirrored


def test_a_subset_is_another_data_set(stylegan, faces):
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(subset=20, kimg=0.04))
    assert "20 pictures" in result.stderr
    again = stylegan("train", "--data", "faces", "--outdir", "run", *words(subset=19, kimg=0.08))
    assert (again.exit_code, "--subset is 19, but was 20; use the same options" in again.stderr) == (2, True)


def test_the_same_command_goes_on(stylegan, faces, here):
    stylegan("train", "--data", "faces", "--outdir", "straight", *words(kimg=0.2))
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.08))
    again = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.2))
    assert again.exit_code == 0
    assert "continuing after 0.08 kimg" in again.stderr
    assert alike("run", "straight")
    lines = [json.loads(line)["nimg"] for line in (here / "run/log.jsonl").read_text().splitlines()]
    assert lines == [40, 80, 120, 160, 200]
    assert len(checkpoints.found(here / "run/checkpoints")) == 2


def test_every_snapshots_model_is_kept_if_wanted(stylegan, faces, here):
    """Also after going on, and just as without a pause; the current model is the newest of them."""
    stylegan("train", "--data", "faces", "--outdir", "straight", *words(keep_all=True, kimg=0.12))
    stylegan("train", "--data", "faces", "--outdir", "run", *words(keep_all=True, kimg=0.04))
    assert stylegan("train", "--outdir", "run", "--kimg", 0.12).exit_code == 0
    for run in ("run", "straight"):
        kept = sorted((here / run).glob("network-snapshot-*"))
        assert [path.stem[-10:] for path in kept] == ["000000.040", "000000.080", "000000.120"]
        assert [importers.read(path).notes["kimg"] for path in kept] == [0.04, 0.08, 0.12]
        assert kept[-1].read_bytes() == (here / run / "network-snapshot.safetensors").read_bytes()
    for path in kept:
        one, other = load_file(path), load_file(here / "run" / path.name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    stylegan("train", "--outdir", "run", "--no-keep-all", "--kimg", 0.16)
    assert len(list((here / "run").glob("network-snapshot-*"))) == 3


def test_a_runs_folder_is_enough_to_go_on(stylegan, faces, here, monkeypatch):
    """What is left open is as it was when the run began, wherever the user is by now."""
    stylegan("train", "--data", "faces", "--outdir", "straight", *words(aug="fixed", mirror=True))
    Path("laptop").mkdir()  # named as a preset is
    begun = ["--preset", "laptop", "--resolution", "16", *words(cfg="stylegan1", kimg=0.04)]
    assert stylegan("train", "--data", "faces", "--outdir", "grown", *begun).exit_code == 0
    stylegan("train", "--data", "faces", "--outdir", "run", *words(aug="fixed", mirror=True, kimg=0.04))
    monkeypatch.chdir(here.parent)
    for run in ("here/run", "here/grown"):
        result = stylegan("train", "--outdir", run, "--kimg", 0.08)
        assert (result.exit_code, result.stdout) == (0, f"{run}/network-snapshot.safetensors\n"), result.stderr
        assert "continuing after 0.04 kimg" in result.stderr
    assert alike("here/run", "here/straight")
    again = stylegan("train", "--outdir", "here/run")
    assert (again.exit_code, "0.08 kimg are done" in again.stderr) == (0, True)


def test_a_run_that_goes_on_still_knows_what_it_resumed_from(stylegan, faces, here, monkeypatch):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    begun = ["--resume", "first", "--batch", "8", "--device", "cpu", "--metrics", "none", "--kimg", "0.008"]
    result = stylegan("train", "--data", "faces", "--outdir", "second", *begun)
    assert result.exit_code == 0, result.stderr
    monkeypatch.chdir(here.parent)
    result = stylegan("train", "--outdir", "here/second", "--kimg", "0.016")
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr


def test_a_run_keeps_what_is_known_of_what_it_resumed_from(stylegan, faces, here):
    """Licence and tunings; also when it goes on, in runs resumed from it, and of a model in rosinality's layout. A
    model from random weights has none."""
    stylegan("train", "--data", "faces", "--outdir", "new", *words(kimg=0.008))
    modelfile.save(store.load("new"), here / "licensed.safetensors", kept := {"licence": "CC BY-NC", "tunings": ["1"]})
    rosinality.save(store.load("licensed.safetensors"), here / "licensed.pt")
    quick = ["--batch", 8, "--device", "cpu", "--metrics", "none"]
    runs = {"first": "licensed.safetensors", "second": "first", "third": "licensed.pt"}
    for run, start in runs.items():
        for kimg in (0.008, 0.016):
            result = stylegan("train", "--data", "faces", "--outdir", run, "--resume", start, "--kimg", kimg, *quick)
            assert result.exit_code == 0, result.stderr
    notes = {run: modelfile.notes(here / run / store.SNAPSHOT) for run in ("new", *runs)}
    assert [{key: notes[run].get(key) for key in kept} for run in runs] == [kept] * 3
    assert not kept.keys() & notes["new"].keys()


@pytest.mark.parametrize(("cfg", "without"), [("stylegan1", 1), ("stylegan2", 0)])
def test_the_discriminators_last_layer_keeps_its_inputs(stylegan, faces, cfg, without):
    """Without groups it has one input less, and would be new."""
    stylegan("train", "--data", "faces", "--outdir", "grouped", *words(cfg=cfg, kimg=0.008))
    stylegan("train", "--data", "faces", "--outdir", "alone", *words(cfg=cfg, kimg=0.008, mbstd_group=without))
    for start, how, group in (("grouped", "with", without), ("alone", "without", 4)):
        resume = ["--data", "faces", "--outdir", "run", "--cfg", cfg, "--batch", 8, "--resume", start, "--dry-run"]
        result = stylegan("train", *resume, "--mbstd-group", group)
        assert result.exit_code == 2
        assert f"--resume {start} learned {how} groups (--mbstd-group); leave out --mbstd-group" in result.stderr
    assert stylegan("train", *resume[:-3], "--resume", "grouped", "--dry-run", "--mbstd-group", 8).exit_code == 0


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_run_needs_the_model_that_it_began_from_until_its_first_checkpoint(stylegan, faces, here, is_moved):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(cfg="stylegan1", kimg=0.024))
    model = (here / "first/network-snapshot.safetensors").rename("model.safetensors")
    quick = ["--batch", 8, "--device", "cpu", "--metrics", "none", "--kimg", 0.016, "--tick", 0.008, "--snap", 1]
    for run in ("straight", "second"):
        words_ = ["--data", "faces", "--outdir", run, "--resume", model, "--warmup-kimg", 0, *quick]
        result = stylegan("train", *words_, "--kimg", 0.016 if run == "straight" else 0.008)
        assert result.exit_code == 0, result.stderr
    model.unlink()
    run = (here / "second").rename("elsewhere") if is_moved else here / "second"
    result = stylegan("train", "--outdir", run, "--kimg", 0.016)
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr
    assert alike(run, "straight")
    for path in (*(run / "checkpoints").iterdir(), run / "command.json", run / "network-snapshot.safetensors"):
        path.unlink()
    result = stylegan("train", "--data", "faces", "--outdir", run, "--device", "cpu")
    assert (result.exit_code, "give the model that it started from with --resume" in result.stderr) == (1, True)


def test_a_model_without_its_checkpoints_is_not_replaced(stylegan, faces, here):
    """A user may have deleted them, who has no wish to lose what was learned."""
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04))
    shutil.rmtree(here / "run/checkpoints")
    before = {path.name: path.read_bytes() for path in (here / "run").iterdir()}
    result = stylegan("train", "--outdir", "run", "--kimg", 0.08)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the checkpoints to continue from are gone; choose another --outdir, with --resume" in result.stderr
    assert {path.name: path.read_bytes() for path in (here / "run").iterdir()} == before


def test_a_run_that_was_killed_before_its_first_snapshot_begins_anew(stylegan, faces, here):
    """At its first step, or before its first checkpoint."""
    for left, run in ((2, "late"), (1, "early")):
        result = stylegan("train", "--data", "faces", "--outdir", run, *words(kimg=0.04))
        for path in (here / run).iterdir():
            if path.name not in ["training_options.json", "command.json", "checkpoints"][: left + 1]:
                path.unlink() if path.is_file() else shutil.rmtree(path)
    for path in checkpoints.found(here / "late/checkpoints")[1:]:
        path.unlink()
    for run in ("late", "early"):
        result = stylegan("train", "--outdir", run)
        assert (result.exit_code, "; starting." in result.stderr) == (0, True), result.stderr
    assert alike("late", "early")


def test_a_call_with_nothing_to_do_changes_nothing(stylegan, faces, here):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.08))
    stylegan("train", "--outdir", "run", "--kimg", 0.04, "--tick", 0.008)
    result = stylegan("train", "--outdir", "run", "--dry-run")
    assert (json.loads(result.stdout)["kimg"], json.loads(result.stdout)["tick"]) == (0.08, 0.04)


def test_a_model_that_went_on_knows_how_it_began(stylegan, faces, here):
    begun = words(aug="fixed", mirror=True, kimg=0.04)
    stylegan("train", "--data", here / "faces", "--outdir", "run", *begun)
    stylegan("train", "--outdir", "run", "--kimg", 0.08)
    notes = importers.read(here / "run/network-snapshot.safetensors").notes
    told = shlex.split(notes["command"])
    assert told[:2] == ["stylegan", "train"] and {"--mirror", "--aug", "fixed", "--kimg", "0.08"} <= set(told)
    assert told[told.index("--data") + 1] == "faces"


@pytest.mark.parametrize("content", ["", "[1]", "[" * 100_000, '{"kimg": 1', "\x00", None], ids=range(6))
def test_a_run_that_has_lost_the_command_asks_for_its_data_only(stylegan, faces, content):
    """As one that an older version began."""
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04, precision="fp32"))
    remembered = Path("run/command.json")
    remembered.unlink()
    if content is not None:
        remembered.write_text(content)
    result = stylegan("train", "--outdir", "run")
    assert (result.exit_code, "no longer records which pictures it learned from" in result.stderr) == (2, True)
    result = stylegan("train", "--data", "faces", "--outdir", "run", "--device", "cpu", "--kimg", 0.08)
    assert (result.exit_code, "continuing after 0.04 kimg" in result.stderr) == (0, True), result.stderr


def test_data_that_moved_are_asked_for(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04))
    faces.rename("moved")
    result = stylegan("train", "--outdir", "run", "--kimg", 0.08)
    assert (result.exit_code, "no longer there; name its new place with --data" in result.stderr) == (2, True)
    result = stylegan("train", "--outdir", "run", "--data", "moved", "--kimg", 0.08)
    assert (result.exit_code, "continuing after 0.04 kimg" in result.stderr) == (0, True), result.stderr


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_there_is_nothing_to_go_on_with(stylegan, here, folder):
    (here / "empty").mkdir()
    result = stylegan("train", "--outdir", folder)
    assert (result.exit_code, result.stderr) == (
        2, f"Error: there is no run in {folder} to continue; use --data to start one.\n",
    )  # fmt: skip


def test_classes_are_kept_too(stylegan, here):
    write_pictures(here / "faces", classes=3)
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008, cond=True))
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.016))
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr
    result = stylegan("train", "--outdir", "run", "--cond=0")
    assert (result.exit_code, "it began with --cond; use the same options" in result.stderr) == (2, True)
    write_pictures(here / "others", classes=2)
    result = stylegan("train", "--outdir", "run", "--data", "others")
    assert (result.exit_code, "others contains other pictures than it was trained on" in result.stderr) == (2, True)
    write_pictures(here / "more", classes=4)
    result = stylegan("train", "--outdir", "run", "--data", "more")
    assert (result.exit_code, "the pictures have 4 classes, but had 3" in result.stderr) == (2, True)


def test_a_run_that_began_otherwise_is_not_resumed(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    result = stylegan("train", "--outdir", "run", "--resume", "first")
    assert result.exit_code == 2
    said = (
        "the run in run cannot continue like this: it started from random weights, not from --resume first; leave that"
    )
    assert f"{said} out, or choose another --outdir.\n" in result.stderr


def test_kill_9_loses_nothing(stylegan, faces, here):
    """A real process, killed somewhere in the midst of what would take hours; it ends with the same bits."""
    endless = ["train", "--data", "faces", "--outdir", "run", *words(kimg=9000, aug="ada", ada_kimg=0.2)]
    victim = subprocess.Popen(
        [sys.executable, "-m", "stylegan_cli", *endless], cwd=here, env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = here / "run" / "checkpoints"
    deadline = time.monotonic() + 120
    while not (folder.is_dir() and len(checkpoints.found(folder)) > 1):  # the first one is of the very beginning
        assert time.monotonic() < deadline and victim.poll() is None
        time.sleep(0.01)
    time.sleep(0.25)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    command = [*endless, "--kimg", tensors("run")[1]["nimg"] / 1000 + 0.08]
    assert stylegan(*command).exit_code == 0
    assert stylegan(*command, "--outdir", "straight").exit_code == 0
    assert alike("run", "straight")


def test_ctrl_c_saves_and_leaves(stylegan, faces, monkeypatch):
    def interrupt(self, kimg):
        if kimg == 0.008:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(view.LiveView, "step", interrupt)
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=9, tick=5))
    assert result.exit_code == 130
    assert "Stopped after 0.016 kimg; to continue: stylegan train --outdir run\n" in result.stderr
    assert tensors("run")[1]["nimg"] == 16  # the step after the one in which the signal came sees it


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_that_closes_costs_no_work(faces, here):
    """As when a connection breaks: nothing can be shown any more, and what was learned is kept."""
    import pty

    command = ["train", "--data", "faces", "--outdir", "run", *words(kimg=9000, tick=9000)]
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores
        os.execve(
            sys.executable,
            [sys.executable, "-m", "stylegan_cli", *command],
            os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm"},
        )
    killing = threading.Timer(240, os.kill, (process, signal.SIGKILL))
    killing.start()
    shown = b""
    with suppress(OSError):  # of a terminal whose process has ended
        while b"pictures/s" not in shown:
            shown += os.read(terminal, 4096)
    os.close(terminal)
    ended = os.waitpid(process, 0)[1]
    killing.cancel()
    assert b"pictures/s" in shown
    assert os.waitstatus_to_exitcode(ended) == 130
    assert tensors("run")[1]["nimg"] > 0
    assert (here / "run/network-snapshot.safetensors").exists()


def test_another_start_leaves_the_running_one_alone(stylegan, faces):
    """Also the checkpoint that it is writing; that of a process that was killed is swept away."""
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    part = Path("run/checkpoints/.000000000016.77.part.safetensors")
    part.write_bytes(b"half")
    with filelock.FileLock("run/.lock"):
        result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.016))
        assert (result.exit_code, "run is being trained by another process" in result.stderr) == (1, True)
        assert part.exists()
    assert stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.016)).exit_code == 0
    assert not part.exists()


def damaged(folder, after):
    """80 pictures, of which one that is met after so many turns out to be cut short; how many are met before it."""
    loader = Loader(Pictures(write_pictures(folder, count=80), None), seed=0, mirror=False)
    shown = {i * 80 // 64 for i in range(64)}  # on the sheet of real ones
    position = next(p for p in range(after, 80) if loader.index(p)[0] not in shown)
    cut_short(folder / f"{loader.index(position)[0]:03d}.png")
    return position


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-60])


def test_a_damaged_picture_loses_nothing(stylegan, here):
    """It is found long before a snapshot: what was learned until then is kept."""
    met = damaged(here / "faces", after=20)
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=9, tick=5))
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(r"Error: 0\d\d.png in faces is damaged .* start a new --outdir with --resume run\.", result.stderr)
    assert tensors("run")[1]["nimg"] == met // 8 * 8 > 0
    assert Path("run/network-snapshot.safetensors").exists()


@pytest.fixture
def many(here, monkeypatch):
    """Pictures enough for metrics, and features that cost nothing."""
    monkeypatch.setattr(features, "named", lambda _: Means)
    monkeypatch.setattr(features, "fetch", lambda *_: None)
    return write_pictures(here / "many", count=100)


def measured(run):
    path = Path(run) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def test_metrics_are_of_the_whole_data_set(stylegan, many):
    """As their title says; a subset that would be too small for them is none of theirs."""
    more = words(cfg="stylegan1", subset=20, kimg=0.016, metrics="fd")
    result = stylegan("train", "--data", "many", "--outdir", "run", *more)
    assert result.exit_code == 0, result.stderr
    assert "too few" not in result.stderr
    assert measured("run")


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2"])
def test_metrics_change_nothing(stylegan, many, monkeypatch, cfg):
    """Computed at every snapshot, in two runs of the command or not at all: the model is the same to the bit."""
    monkeypatch.setattr(watching, "is_due", lambda *_: True)
    stylegan("train", "--data", "many", "--outdir", "plain", *words(cfg=cfg, kimg=0.12, metrics="none"))
    stylegan("train", "--data", "many", "--outdir", "run", *words(cfg=cfg, kimg=0.08, metrics="fd,kd"))
    result = stylegan("train", "--data", "many", "--outdir", "run", *words(cfg=cfg, kimg=0.12, metrics="fd"))
    assert result.exit_code == 0, result.stderr
    assert alike("run", "plain")
    lines = measured("run")
    assert [(line["name"], line["nimg"]) for line in lines] == [
        ("fd", 40), ("kd", 40), ("fd", 80), ("kd", 80), ("fd", 120),
    ]  # fmt: skip
    assert measured("plain") == []
    assert f"FD-means {lines[-1]['value']:.4g} (real against real {lines[-1]['floor']:.4g})" in result.stderr
    assert "FD-means, 50 pictures a side" in Path("run/report.html").read_text()


def test_metrics_are_those_of_the_model_that_is_kept(stylegan, many):
    """Of a run that ended while it grew, too."""
    stylegan("train", "--data", "many", "--outdir", "run", *words(cfg="stylegan1", kimg=0.024, metrics="none"))
    stylegan("train", "--outdir", "run", "--metrics", "fd")
    (line,) = measured("run")
    model = store.load("run/network-snapshot.safetensors").prepare(torch.device("cpu"), torch.float32)
    (expected,) = watching.Watch(DataSet(many), ("fd",), Means(), 1000)(model, lambda: None)
    assert line["value"] == pytest.approx(expected["value"], rel=1e-5)
    stylegan("train", "--outdir", "run")
    assert measured("run") == [line]


def test_metrics_that_were_not_measured_can_be_added(stylegan, many):
    for metrics in ("kd", "fd"):
        stylegan("train", "--data", "many", "--outdir", "run", *words(kimg=0.008, metrics=metrics))
    assert [(line["name"], line["nimg"]) for line in measured("run")] == [("kd", 8), ("fd", 8)]


def test_metrics_can_be_fid(stylegan, here, quick_inception):
    """Of as many pictures as are asked for; the run remembers that, and measures what is new when it is over."""
    write_pictures(here / "many", count=100)
    more = words(kimg=0.008, features="inception", metrics_num=60)
    result = stylegan("train", "--data", "many", "--outdir", "run", *more)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^FID [\d.e+]+ at ", result.stderr, re.MULTILINE)
    assert stylegan("train", "--outdir", "run").exit_code == 0
    (line,) = measured("run")
    assert [line[key] for key in ("name", "title", "features", "num", "reference_num")] == [
        "fd", "FID", "Inception", 60, 100,
    ]  # fmt: skip
    assert "FID, 60 pictures against 100" in Path("run/report.html").read_text()
    given = json.loads(Path("run/command.json").read_text())
    assert (given["features"], given["metrics_num"]) == ("inception", 60)
    stylegan("train", "--outdir", "run", "--metrics-num", 50)
    assert [one["num"] for one in measured("run")] == [60, 50]


def test_metrics_that_fail_do_not_end_a_run(stylegan, many):
    """They look at all pictures, and so may meet a damaged one that the run would never meet."""
    chosen = set(Pictures(many, None, subset=(60, 0))._names)
    cut_short(next(path for path in sorted(many.iterdir()) if path.name not in chosen))
    result = stylegan("train", "--data", "many", "--outdir", "run", *words(subset=60, seed=0, kimg=0.04, metrics="fd"))
    assert (result.exit_code, result.stdout) == (0, f"{Path('run') / store.SNAPSHOT}\n"), result.stderr
    assert "Metrics could not be computed: " in result.stderr
    assert measured("run") == []


def test_metrics_do_not_hide_why_a_run_cannot_continue(stylegan, many):
    shown = {i * 100 // 64 for i in range(64)}
    for i, path in enumerate(sorted(many.iterdir())):
        if i not in shown:
            cut_short(path)
    result = stylegan("train", "--data", "many", "--outdir", "run", *words(kimg=1, metrics="fd"))
    assert result.exit_code == 1
    assert result.stderr.endswith("start a new --outdir with --resume run.\n")


def test_pictures_that_are_damaged_from_the_beginning_begin_no_run(stylegan, faces):
    whole = (faces / "005.png").read_bytes()
    cut_short(faces / "005.png")
    for ending in (1, 0):
        result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
        assert result.exit_code == ending, result.stderr
        (faces / "005.png").write_bytes(whole)


def test_metrics_are_not_computed_more_often_than_is_cheap(stylegan, many, monkeypatch):
    monkeypatch.setattr(watching, "PATIENCE", 1e6)
    stylegan("train", "--data", "many", "--outdir", "run", *words(kimg=0.16))
    assert [line["nimg"] for line in measured("run")] == [40, 160]


def test_ctrl_c_does_not_wait_for_metrics(stylegan, many, monkeypatch):
    noted = []

    def interrupt(self, note):
        noted.append(note)
        if note.startswith("metrics: 7 "):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(view.LiveView, "note", interrupt)
    result = stylegan("train", "--data", "many", "--outdir", "run", *words(kimg=9))
    assert result.exit_code == 130
    assert "metrics: 8 pictures seen" not in noted
    assert measured("run") == []
    assert tensors("run")[1]["nimg"] == 48  # the step after the snapshot


def test_few_pictures_have_no_metrics(stylegan, faces):
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    assert "24 pictures are too few for --metrics, which need 100: none are computed." in result.stderr


def test_features_that_cannot_be_fetched(stylegan, many, monkeypatch):
    def offline(assets):
        raise StyleganError("could not fetch it; check the network")

    monkeypatch.setattr(features, "fetch", offline)
    result = stylegan("train", "--data", "many", "--outdir", "run", *words(kimg=0.008))
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1, "Error: could not fetch it; check the network; use --metrics none to train without.",
    )  # fmt: skip
    again = stylegan("train", "--data", "many", "--outdir", "run", *words(kimg=0.008, metrics="none"))
    assert again.exit_code == 0


def write_sheet(run, kimg, size):
    Image.new("RGB", (size, size)).save(Path(run) / f"fakes{kimg:06d}.png")


def test_a_film_at_the_end(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04))
    assert not Path("run/training.mp4").exists()
    write_sheet("run", 1, 128)
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04))
    assert Path("run/training.mp4").stat().st_size > 1000


def test_a_run_without_its_film(stylegan, faces, monkeypatch):
    monkeypatch.setitem(CODECS, "mp4", ("-c:v", "nonsense"))
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04))
    write_sheet("run", 1, 128)
    Path("run/fakes000002.png").write_bytes(b"damaged")  # ends no run either
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.08))
    assert (result.exit_code, result.stdout) == (0, "run/network-snapshot.safetensors\n")
    assert "There is no film of this run: ffmpeg could not write" in result.stderr


SAME = "use the same options, or choose another --outdir"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"gamma": 2}, rf"--gamma is 2, but was \S+; {SAME}, with --resume run to go on from it\."),
        ({"seed": 1}, rf"--seed is 1, but was 0; {SAME}, with --resume run to go on from it\."),
        ({"cbase": 64}, rf"--cbase is 64, but was 128; {SAME}\."),
        ({"gamma": 2, "cbase": 64}, rf"--\S+ is \d+, but was \S+; {SAME}\."),
        ({"cfg": "stylegan1"}, rf"--cfg is stylegan1, but was stylegan2; {SAME}\."),
    ],
)
def test_another_run_in_the_same_folder(stylegan, faces, changed, sentence):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    before = tensors("run")[1]
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.016, **changed))
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(f"the run in run cannot continue like this: {sentence}", result.stderr), result.stderr
    assert tensors("run")[1] == before


def test_another_preset(stylegan, faces):
    """What it filled in is the run's, and was not said."""
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    result = stylegan("train", "--outdir", "run", "--preset", "paper")
    assert (result.exit_code, "--preset is paper, but was auto; use the same" in result.stderr) == (2, True)
    result = stylegan("train", "--outdir", "run", "--preset", "auto")
    assert result.exit_code == 0, result.stderr


def test_other_pictures_are_another_run(stylegan, faces, here):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    write_pictures(here / "others", count=20)
    result = stylegan("train", "--data", "others", "--outdir", "run", *words(kimg=0.008))
    assert result.exit_code == 2
    assert "contains other pictures than it was trained on; use the same --data, or choose another" in result.stderr
    onward = ["--data", "others", "--outdir", "on", "--resume", "run", "--batch", 8, "--gamma", 2, "--dry-run"]
    assert stylegan("train", *onward).exit_code == 0  # as the sentence says


def test_a_subset_of_the_same_pictures_is_another_run(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    result = stylegan("train", "--outdir", "run", "--subset", 16)
    said = f"--subset is 16, but was not given; {SAME}, with --resume run to go on from it."
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    onward = ["--outdir", "on", "--resume", "run", "--subset", 16, "--batch", 8, "--device", "cpu", "--dry-run"]
    assert stylegan("train", *onward).exit_code == 0  # as the sentence says


def test_a_batch_stays_split_as_it_was(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008, batch_gpu=4))
    assert stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.016)).exit_code == 0


def test_what_is_done_is_not_done_again(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.016))
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008))
    assert (result.exit_code, result.stdout) == (0, "run/network-snapshot.safetensors\n")
    assert "0.016 kimg are done; use a larger --kimg to continue" in result.stderr


def test_damaged_checkpoints_are_passed_over(stylegan, faces, here):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.08))
    older, newer = checkpoints.found(here / "run/checkpoints")
    newer.write_bytes(newer.read_bytes()[:-100])
    assert tensors("run")[1]["nimg"] == int(older.stem)
    older.write_bytes(b"")
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.08))
    assert (result.exit_code, "all checkpoints in run/checkpoints are damaged" in result.stderr) == (1, True)


def test_transfer_from_another_model(stylegan, faces, here):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.04))
    model = shutil.copy("first/network-snapshot.safetensors", "model.safetensors")
    begun = ("train", "--data", "faces", "--outdir", "second", "--resume", model, "--batch", 8, "--device", "cpu")
    result = stylegan(*begun, "--kimg", 0.008)
    assert result.exit_code == 0, result.stderr
    first, second = (load_file(here / f"{run}/network-snapshot.safetensors") for run in ("first", "second"))
    for key in first:
        torch.testing.assert_close(first[key], second[key], atol=0.1, rtol=0.1, msg=key)
    options = json.loads((here / "second/training_options.json").read_text())
    assert (options["ada_kimg"], options["warmup_kimg"], options["generator"]["z_dim"]) == (100, 50, 8)
    assert f"{model} has no discriminator, so a new one starts at random" in result.stderr
    assert "For 50 kimg the discriminator learns alone" in result.stderr
    again = stylegan(*begun, "--kimg", 0.016)
    assert (again.exit_code, "at random" in again.stderr) == (0, False)


# Options of a run that learns nothing.
IDLE = ("--batch", 8, "--device", "cpu", "--glr", 0, "--dlr", 0, "--ema-kimg", 9, "--kimg", 0.008)


def check_all_three(found, expected):
    """The generator, the discriminator and the average are those of another run."""
    learned = [key for key in expected if key.partition(".")[0] in ("g", "d", "average") and "w_avg" not in key]
    assert len({key.partition(".")[0] for key in learned}) == 3
    for key in learned:
        torch.testing.assert_close(found[key], expected[key], atol=1e-3, rtol=1e-3, msg=key)


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2"])
def test_transfer_from_a_runs_models(stylegan, many, monkeypatch, cfg):
    """The best one and the newest have their discriminator, in the run's folder only; others are alone."""
    monkeypatch.setattr(watching, "is_due", lambda *_: True)
    values = iter([7.0, 3.0, 5.0, 6.0])
    monkeypatch.setattr(watching.Watch, "__call__", lambda *_: [METRIC | {"value": next(values)}])
    stylegan("train", "--data", "many", "--outdir", "first", *words(cfg=cfg, kimg=0.16, keep_all=True))
    shutil.copy("first/network-best.safetensors", "alone.safetensors")
    for name, nimg in {
        "first/network-best.safetensors": 80,
        "first/network-snapshot-000000.080.safetensors": 80,
        "first/network-snapshot.safetensors": 160,
        "first/network-snapshot-000000.040.safetensors": None,
        "alone.safetensors": None,
    }.items():
        outdir = f"after {Path(name).stem}"
        result = stylegan("train", "--data", "many", "--outdir", outdir, "--resume", name, *IDLE, "--metrics", "none")
        assert result.exit_code == 0, result.stderr
        assert ("no discriminator" in result.stderr) == (nimg is None)
        if nimg:
            check_all_three(tensors(outdir)[0], checkpoints.read(checkpoint_of("first", nimg))[0])


@pytest.mark.parametrize("cfg", ["stylegan1", "stylegan2", "stylegan3-r"])
def test_transfer_from_a_run(stylegan, faces, cfg):
    """All three networks; of the newest checkpoint that is whole."""
    stylegan("train", "--data", "faces", "--outdir", "first", *words(cfg=cfg))
    older, newer = checkpoints.found(Path("first/checkpoints"))
    newer.write_bytes(b"damaged")
    begun = ("train", "--data", "faces", "--outdir", "second", "--resume", "first", *IDLE, "--freezed", 1)
    if cfg == "stylegan1":
        refused = stylegan(*begun, "--first-res", 8)
        assert (refused.exit_code, "leave it out, or use --first-res 16" in refused.stderr) == (2, True)
        begun += ("--first-res", 16)
    refused = stylegan(*begun, "--freezed", 99)
    assert (refused.exit_code, "--freezed 99 freezes the whole discriminator" in refused.stderr) == (2, True)
    result = stylegan(*begun)
    assert result.exit_code == 0, result.stderr
    assert "at random" not in result.stderr
    assert "first gives the generator and the discriminator; optimisers and augmentation start anew." in result.stderr
    check_all_three(tensors("second")[0], checkpoints.read(older)[0])


@pytest.mark.parametrize("name", ["first", "first/network-snapshot.safetensors"])
def test_a_run_gives_its_pictures_to_those_that_start_from_it(stylegan, faces, here, monkeypatch, name):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    begun = ("train", "--outdir", "second", "--resume", f"../{name}", "--batch", 8, "--device", "cpu")
    told = f"../{name} learned from {here / 'faces'}, and so does this run.\n"
    planned = stylegan(*begun, "--dry-run")
    assert (planned.exit_code, planned.stderr.startswith(told)) == (0, True)
    assert planned.stderr.endswith(
        f"../{name} gives the generator and the discriminator; optimisers and augmentation start anew.\n"
    )
    assert stylegan(*begun, "--dry-run", "-q").stderr == ""
    said = stylegan("train", "--data", "../faces", *begun[1:], "--dry-run")
    assert (said.stdout, said.stderr) == (planned.stdout, planned.stderr.removeprefix(told))
    result = stylegan(*begun, "--kimg", 0.008)
    assert (result.exit_code, result.stderr.startswith(told)) == (0, True), result.stderr
    result = stylegan("train", "--outdir", "second", "--kimg", 0.016)
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr
    faces.rename(here / "moved")
    result = stylegan("train", "--outdir", "third", "--resume", f"../{name}")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {here / 'faces'}, which ../{name} learned from, is no longer there; name its new place with --data.\n",
    )


@pytest.fixture
def classed(stylegan, here):
    """A run with two classes, on a subset of its pictures."""
    write_pictures(here / "classed", count=40, classes=2)
    begun = ("train", "--data", "classed", "--outdir", "first", "--cond=1", "--subset", 20, "--seed", 3)
    result = stylegan(*begun, *words(kimg=0.008))
    assert result.exit_code == 0, result.stderr


def test_a_run_gives_its_classes_and_its_subset_too(stylegan, classed, here):
    begun = ("train", "--outdir", "second", "--resume", "first", "--batch", 8, "--device", "cpu", "--kimg", 0.008)
    result = stylegan(*begun)
    told = f"first learned from {here / 'classed'} with --cond --subset 20 --seed 3, and so does this run.\n"
    assert (result.exit_code, result.stderr.startswith(told)) == (0, True), result.stderr
    assert "starts at random" not in result.stderr
    first, second = (json.loads(Path(run, "training_options.json").read_text()) for run in ("first", "second"))
    assert (second["data"], second["c_dim"]) == (first["data"], 2)
    result = stylegan("train", "--outdir", "second", "--kimg", 0.016)
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr
    result = stylegan("train", "--outdir", "third", "--resume", "second", "--dry-run")
    assert json.loads(result.stdout)["data"] == first["data"]


def test_what_is_said_of_the_pictures_is_not_taken_from_the_run(stylegan, classed, here):
    begun = ("train", "--outdir", "second", "--resume", "first", "--no-cond", "--subset", 16, "--dry-run")
    result = stylegan(*begun)
    told = f"first learned from {here / 'classed'}, and so does this run.\n"
    assert (result.exit_code, result.stderr.startswith(told)) == (0, True), result.stderr
    options = json.loads(result.stdout)
    assert (options["c_dim"], options["seed"]) == (0, 0)
    assert options["data"] == Pictures(here / "classed", None, labelled=False, subset=(16, 0)).fingerprint


def test_another_seed_would_choose_another_subset(stylegan, classed):
    result = stylegan("train", "--outdir", "second", "--resume", "first", "--seed", 5, "--dry-run")
    said = "--seed also chooses the pictures of --subset, which first had; leave it out, or give --data"
    assert (result.exit_code, result.stderr) == (2, f"Error: {said}.\n")
    assert stylegan("train", "--outdir", "second", "--resume", "first", "--seed", 3, "--dry-run").exit_code == 0


def test_mirror_images_are_part_of_what_a_run_learned_from(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "first", "--mirror", *words(kimg=0.008))
    for more, mirror in (((), True), (("--no-mirror",), False)):
        result = stylegan("train", "--outdir", "second", "--resume", "first", *more, "--dry-run")
        assert json.loads(result.stdout)["mirror"] is mirror
        assert ("with --mirror, and so does this run" in result.stderr) is mirror


def test_a_model_keeps_its_classes_if_the_pictures_have_fewer(stylegan, here):
    """Those that it knows stay as they are, so that also a small part of many classes can be learned anew."""
    write_pictures(here / "many", count=40, classes=4)
    write_pictures(here / "few", count=40, classes=2)
    stylegan("train", "--data", "many", "--outdir", "first", *words(kimg=0.008, cond=True))
    begun = ("train", "--data", "few", "--cond", "--outdir", "second", "--resume", "first", "--batch", 8)
    result = stylegan(*begun, "--device", "cpu", "--kimg", 0.008, "--metrics", "none")
    assert (result.exit_code, "starts at random" in result.stderr) == (0, False), result.stderr
    assert json.loads(Path("second/training_options.json").read_text())["c_dim"] == 4
    result = stylegan("train", "--outdir", "second", "--kimg", 0.016)
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr


@pytest.mark.parametrize("said", [("--preset", "laptop", "--cfg", "stylegan2"), ("--aug", "none", "--target", 0.5)])
def test_options_that_contradict_each_other_are_told_before_pictures_are_read(stylegan, faces, said):
    (faces / "zzz.png").write_bytes(b"no picture")
    result = stylegan("train", "--data", "faces", "--outdir", "run", *said)
    assert (result.exit_code, "zzz.png" in result.stderr) == (2, False), result.stderr


def test_a_dry_run_tells_what_the_run_would(stylegan, faces):
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.008, aug="none"), "--dry-run")
    assert "24 pictures are few, and will be learned by heart" in result.stderr


def test_classes_that_were_not_asked_for_are_told(stylegan, classed):
    begun = ("train", "--data", "classed", "--outdir", "second", "--resume", "first", "--batch", 8, "--device", "cpu")
    result = stylegan(*begun, "--kimg", 0.008, "--metrics", "none")
    told = "first has 2 classes and this run none, as --cond was not given, so the discriminator's last layer starts"
    assert (result.exit_code, told in result.stderr) == (0, True), result.stderr


def test_models_that_are_no_runs_give_no_pictures(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    shutil.copy("first/network-snapshot.safetensors", "alone.safetensors")
    for name in ("alone.safetensors", "faces-64", "first/nothing.pkl"):
        result = stylegan("train", "--outdir", "second", "--resume", name)
        assert (result.exit_code, "there is no run in second to continue; use --data" in result.stderr) == (2, True)


def test_transfer_from_a_run_that_was_growing(stylegan, faces):
    """What has not learned yet is faded in again."""
    stylegan("train", "--data", "faces", "--outdir", "first", *words(cfg="stylegan1", kimg=0.024))
    more = ("--batch", 8, "--device", "cpu", "--kimg", 0.008)
    alone = shutil.copy("first/network-snapshot.safetensors", "alone.safetensors")
    for name in ("first", "first/network-snapshot.safetensors", alone):
        result = stylegan("train", "--data", "faces", "--outdir", f"after {Path(name).name}", "--resume", name, *more)
        assert result.exit_code == 0, result.stderr
        assert json.loads(Path(f"after {Path(name).name}/training_options.json").read_text())["first_res"] == 8


def test_a_run_goes_on_though_the_one_it_began_from_does_too(stylegan, faces):
    first = ("train", "--data", "faces", "--outdir", "first", *words(cfg="stylegan1", kimg=0.024))
    stylegan(*first)
    second = ("train", "--data", "faces", "--outdir", "second", "--resume", "first", "--batch", 8, "--device", "cpu")
    stylegan(*second, "--kimg", 0.008)
    stylegan(*first, "--kimg", 0.064)
    result = stylegan(*second, "--kimg", 0.016)
    assert (result.exit_code, "continuing after 0.008 kimg" in result.stderr) == (0, True), result.stderr


def test_classes_that_a_subset_lacks_are_still_there(stylegan, here):
    pictures = write_pictures(here / "classed", count=80, classes=80)
    result = stylegan("train", "--data", "classed", "--outdir", "run", *words(cond=True, subset=40, kimg=0.016))
    assert result.exit_code == 0, result.stderr
    found = Pictures(pictures, None, labelled=True, subset=(40, 0))
    assert (found.c_dim, len(set(found.classes.tolist()))) == (80, 40)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--cfg", "stylegan1"], "is a stylegan2, which stylegan1 cannot start from"),
        (["--cbase", "64"], "has sizes of its own; leave out --cbase"),
        (["--freezed", "2"], "has no discriminator for --freezed to freeze"),
    ],
)
def test_models_that_do_not_fit(stylegan, faces, more, sentence):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    model = shutil.copy("first/network-snapshot.safetensors", "model.safetensors")
    result = stylegan("train", "--data", "faces", "--outdir", "second", "--resume", model, "--kimg", 0.008, *more)
    assert (result.exit_code, sentence in result.stderr) == (2, True), result.stderr
    assert not Path("second").exists()


@pytest.mark.parametrize(
    ("name", "outdir", "sentence"),
    [
        ("first", "first", "--resume first is the --outdir, which is continued anyway; leave out --resume"),
        ("first/checkpoints/000000000008.safetensors", "second", "is a run's checkpoint; use --resume first to start"),
        ("", "second", "--resume is empty; give a model or a run's folder, or leave it out"),
        ("faces", "second", "there is no model file faces"),
    ],
)
def test_what_is_not_resumed_from(stylegan, faces, name, outdir, sentence):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    result = stylegan("train", "--data", "faces", "--outdir", outdir, "--resume", name, "--kimg", 0.008)
    assert (result.exit_code, sentence in result.stderr) == (2, True), result.stderr


def test_a_run_without_a_checkpoint(stylegan, faces):
    stylegan("train", "--data", "faces", "--outdir", "first", *words(kimg=0.008))
    shutil.rmtree("first/checkpoints")
    result = stylegan("train", "--data", "faces", "--outdir", "second", "--resume", "first", "--kimg", 0.008)
    assert (result.exit_code, "the checkpoints of first are gone; use --resume first/network-" in result.stderr) == (
        1,
        True,
    )
    Path("first/network-snapshot.safetensors").unlink()
    result = stylegan("train", "--data", "faces", "--outdir", "second", "--resume", "first", "--kimg", 0.008)
    assert (result.exit_code, "first is a run that has no checkpoint yet" in result.stderr) == (1, True)


def test_families_that_are_not_trained(stylegan, faces, tiny_model):
    for more in ([], ["--resolution", 16]):
        result = stylegan("train", "--data", "faces", "--outdir", "run", "--resume", tiny_model, *more)
        assert result.exit_code == 2
        assert "is a mobilestylegan model, which cannot be trained; resume from a StyleGAN 1, 2 or 3" in result.stderr


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        ({"gpus": 2}, 2, "use torchrun --nproc-per-node 2 -m stylegan_cli train"),
        ({"cfg": "paper256"}, 2, "use stylegan1, stylegan2, stylegan3-t or stylegan3-r, and --preset for sizes"),
        ({"batch": 0}, 2, "--batch 0 is not a whole number of pictures"),
        ({"batch": 7.5}, 2, "--batch 7.5 is not a whole number of pictures"),
        ({"glr": -1}, 2, "'-1' contains a number that is less than 0"),
        ({"gamma": "nan"}, 2, "'nan' contains a number that is less than 0"),
        ({"stable_kimg": "8:-1,16:2", "cfg": "stylegan1"}, 2, "'8:-1,16:2' contains a number that is less than 0"),
        ({"freezed": 2}, 2, "--freezed is for --resume, but this run begins anew; leave it out"),
        ({"warmup_kimg": 5}, 2, "--warmup-kimg is for --resume, but this run begins anew; leave it out"),
        ({"batch_gpu": 1}, 2, "--batch-gpu 1 leaves nothing for the discriminator to compare a picture with"),
        ({"batch_gpu": 3}, 2, "--batch 8 cannot be split into parts of --batch-gpu 3"),
        ({"batch": 6}, 2, "6 pictures, computed at once, are no whole groups of 4 (--mbstd-group); use a --batch"),
        ({"aug": "ada", "p": 0.5}, 2, "--p is for --aug fixed, but this is ada"),
        ({"subset": 25}, 1, "--subset 25: faces holds 24 pictures"),
        ({"subset": 5}, 1, "--subset takes 5 pictures, but training needs at least 16"),
        ({"features": "vgg"}, 2, "--features must be one of efficientnet, inception, not 'vgg'"),
        ({"metrics_num": 49}, 2, "invalid value for '--metrics-num'"),
        ({"metrics": "fid50k_full"}, 2, "training does not measure 'fid50k_full'; use --metrics fd, kd, fd,kd or none"),
        ({"precision": "fp8"}, 2, "there is no precision 'fp8'"),
        ({"first_res": 32, "cfg": "stylegan1"}, 2, "--first-res 32 is more than the 16 pixels to grow to"),
        ({"cond": True}, 1, "--cond needs classes"),
        ({"resume": "nothing.pkl"}, 2, "there is no model file nothing.pkl"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_cannot_be(stylegan, faces, more, code, sentence):
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(**more))
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert sentence in result.stderr
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--preset=fast", "there is no preset 'fast'; presets are auto, paper, laptop"),
        ("--cfg=stylegan4", "there is no --cfg 'stylegan4'; "),
        ("--aug=some", "there is no augmentation 'some'; "),
        ("--augpipe=all", "there is no --augpipe 'all'; "),
        ("--first-res=12", "--first-res 12 is not a power of two"),
        ("--gamma=strong", "--gamma: 'strong' is neither a number nor numbers by resolution"),
        ("--batch-gpu=8:0.5,16:4", "--batch-gpu 8:0.5,16:4 is not a whole number of pictures"),
    ],
)
def test_what_cannot_be_is_told_before_pictures_are_read(stylegan, here, option, sentence):
    result = stylegan("train", "--data", "nowhere.zip", "--outdir", "run", option)
    assert (result.exit_code, sentence in result.stderr) == (2, True), result.stderr


def test_pictures_that_are_not_there(stylegan, here):
    result = stylegan("train", "--data", "nowhere.zip", "--outdir", "run", *words())
    assert (result.exit_code, "there is no folder or zip nowhere.zip" in result.stderr) == (2, True)


@pytest.mark.parametrize("outdir", ["faces.json", "faces.json/a/run"])
def test_a_folder_below_a_file(stylegan, faces, here, outdir):
    (here / "faces.json").write_text("precious")
    result = stylegan("train", "--data", "faces", "--outdir", outdir, *words())
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: faces.json is a file, not a folder; choose another place.\n",
    )


def test_a_folder_of_something_else(stylegan, faces):
    write_pictures(faces.with_name("others"))
    result = stylegan("train", "--data", "faces", "--outdir", "others", *words())
    assert (result.exit_code, "others exists, but contains no run of stylegan train" in result.stderr) == (1, True)


@pytest.mark.parametrize("outdir", ["faces", "faces/run"])
def test_a_run_is_not_made_of_its_own_pictures(stylegan, faces, outdir):
    before = sorted(faces.rglob("*"))
    result = stylegan("train", "--data", "faces", "--outdir", outdir, *words())
    assert (result.exit_code, result.stderr) == (
        2, f"Error: {outdir} is inside faces: its pictures would be learned from; choose another --outdir.\n"
    )  # fmt: skip
    assert sorted(faces.rglob("*")) == before


def test_a_file_that_is_no_model_to_resume(stylegan, faces, here):
    result = stylegan("train", "--data", "faces", "--outdir", "run", "--resume", "faces/000.png", *words())
    assert (result.exit_code, "was refused" in result.stderr) == (1, True)


def test_a_disk_without_room(stylegan, faces, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words())
    assert (result.exit_code, "run has 0 MB left, but this run needs" in result.stderr) == (1, True)


@pytest.mark.parametrize(("folder", "what"), [("checkpoints", "checkpoints/0"), ("run", "network-snapshot.safete")])
@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_disk_that_fills_up(stylegan, faces, monkeypatch, folder, what, error):
    stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.04))
    before = tensors("run")[1]

    def full(values, path, metadata):
        if path.parent.name == folder:
            raise error
        save_file(values, path, metadata)

    monkeypatch.setattr(tensorfile, "save_file", full)
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(kimg=0.08))
    assert (result.exit_code, f"there is no space left to write run/{what}" in result.stderr) == (1, True)
    assert tensors("run")[1] == before


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# Two machines, each with a folder `one` or `two` of its own, are two processes that go there first.
ELSEWHERE = """
import os, sys
os.chdir(("one", "two")[int(os.environ["RANK"])])
from stylegan_cli.cli import main
main()
"""


def in_processes(here, command):
    """What became of a command in two processes."""
    return subprocess.run(
        [*TORCHRUN, *command], cwd=here, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_processes_that_see_different_disks(stylegan, here, monkeypatch):
    """They would train a model of two minds; one sentence, of all."""
    (here / "elsewhere.py").write_text(ELSEWHERE)
    for folder in ("one", "two"):
        write_pictures(here / folder / "faces")
    options = words(batch_gpu=4, kimg=0.008)
    with monkeypatch.context() as there:
        there.chdir(here / "one")
        assert stylegan("train", "--data", "faces", "--outdir", "run", *options).exit_code == 0
    command = ["elsewhere.py", "train", "--data", "faces", "--outdir", "run", *options, "--kimg", "0.016"]
    ended = in_processes(here, command)
    assert ended.returncode == 1
    sentence = "Error: the processes do not start with the same checkpoints; all must see the same --outdir and"
    assert ended.stderr.count(sentence) == 1, ended.stderr
    assert tensors("one/run")[1]["nimg"] == 8 and not (here / "two/run").exists()


@pytest.mark.slow
def test_a_damaged_picture_that_another_process_meets(here):
    """The part of a batch that the second process reads: the first one writes the checkpoint, and tells."""
    met = next(m for m in (damaged(here / "faces", after) for after in range(12, 80)) if m % 8 >= 4)
    command = ["-m", "stylegan_cli", "train", "--data", "faces", "--outdir", "run"]
    ended = in_processes(here, [*command, *words(batch_gpu=4, kimg=9, tick=5)])
    assert len(re.findall(r"Error: 0\d\d.png in faces is damaged", ended.stderr)) == 1, ended.stderr
    assert tensors(here / "run")[1]["nimg"] == met // 8 * 8


def test_two_processes_do_what_one_does(stylegan, faces, here):
    """Begun in one process, and gone on with in one or in two under torchrun: equal but for the order of sums."""
    command = ["train", "--data", "faces", *words(batch=16, kimg=0.032, aug="ada", quiet=True)]
    assert stylegan(*command, "--outdir", "one").exit_code == 0
    shutil.copytree(here / "one", here / "two")
    command += ["--kimg", "0.064"]
    assert stylegan(*command, "--outdir", "one").exit_code == 0
    in_processes(here, ["-m", "stylegan_cli", *command, "--outdir", "two"]).check_returncode()
    (one, progress), (two, also) = tensors(here / "one"), tensors(here / "two")
    assert progress == pytest.approx(also, rel=1e-3)
    for key, tensor in one.items():
        if "adam" not in key:
            torch.testing.assert_close(two[key], tensor, atol=1e-3, rtol=1e-2, msg=key)
    lines = (here / "two/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["nimg"] for line in lines] == [32, 48, 64]
