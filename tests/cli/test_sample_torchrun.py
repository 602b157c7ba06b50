"""`stylegan sample --dataset` in several processes that are killed, stopped and left alone."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from looking import contents, whole_pictures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="finds processes as Linux lists them"
    ),
]
COUNT = 800
MANY = 100_000  # more than are ever made
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
started = []


@pytest.fixture(autouse=True)
def nobody_goes_on():
    """What a test that failed has started would run on."""
    yield
    for process in started:
        for pid in (*children(process), process.pid):
            kill(pid)
        process.communicate()
    started.clear()


@pytest.fixture(scope="module")
def words(tiny_model):
    return sampling(COUNT, tiny_model)


@pytest.fixture(scope="module")
def endless(tiny_model):
    return sampling(MANY, tiny_model)


def sampling(count, model):
    options = ["--size", 4, "--compile", "off", "--model", model]
    return ["-m", "stylegan_cli", "sample", "-n", count, *options, "--dataset"]


@pytest.fixture(scope="module")
def straight(words, tmp_path_factory):
    """What one process makes that nobody disturbs, as a zip and as a folder."""
    folder = tmp_path_factory.mktemp("straight")
    finish(folder, *words, "data.zip")
    with zipfile.ZipFile(folder / "data.zip") as archive:
        unpacked = {f"data/{name}": archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    made = contents(folder)
    return {"data.zip": made, "data": {**unpacked, "data/w.npy": made["data-w.npy"]}}


def start(here, *words, **environment):
    """Python, with one thread."""
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=here, env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    started.append(process)
    return process


def finish(here, *words):
    process = start(here, *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err


def begin(here, words, name, count=COUNT):
    """Two processes, when both are at work on a folder or a zip."""
    process = start(here, *TORCHRUN, 2, *words, name)
    folder = here / (f"{name}.part" if name.endswith(".zip") else name)
    wait_for(lambda: {10, count // 2 + 10} <= numbers(folder), process)
    return process, folder


def wait_for(happened, process):
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(process):
    """The ids of the processes that torchrun keeps, by rank."""
    try:
        pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [int(pid) for pid in pids if b"stylegan_cli" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except FileNotFoundError:
        return []


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def numbers(folder):
    return {int(Path(name).stem.removeprefix("img")) for name in whole_pictures(folder)}


def test_three_processes_make_what_one_makes(here, words, straight):
    out, _ = finish(here, *TORCHRUN, 3, *words, "data.zip")
    assert out == "data.zip\n"
    assert contents(here) == straight["data.zip"]
    with zipfile.ZipFile(here / "data.zip") as archive:
        assert len(archive.namelist()) == COUNT + 2


@pytest.mark.parametrize(
    ("name", "victims", "processes"),
    [("data.zip", "all", 2), ("data", "leader", 1), ("data", "other", 1)],
)
def test_kill_9_loses_nothing(here, words, straight, name, victims, processes):
    """Both processes and torchrun are killed, or one of them, which ends the others."""
    process, folder = begin(here, words, name)
    ranks = sorted(children(process))
    for pid in {"all": [process.pid, *ranks], "leader": ranks[:1], "other": ranks[1:]}[victims]:
        kill(pid)
    process.communicate(timeout=120)
    assert process.returncode != 0
    there = whole_pictures(folder)
    assert 20 <= len(there) < COUNT
    _, err = finish(here, *([*TORCHRUN, processes] if processes > 1 else []), *words, name)
    assert f"Continuing: {len(there):,} of {COUNT:,} pictures are done.\n" in err
    if name == "data":
        assert whole_pictures(folder).items() >= there.items()
    assert contents(here) == straight[name]


def test_ctrl_c_is_one_sentence(here, endless):
    process, folder = begin(here, endless, "data", MANY)
    before = len(whole_pictures(folder))
    for pid in [process.pid, *children(process)]:  # as a terminal does
        os.kill(pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    (told,) = re.findall(
        r"Stopped with about ([\d,]+) of 100,000 pictures done; run the same command again to continue\.", err
    )
    assert before <= int(told.replace(",", "")) <= len(whole_pictures(folder))
    assert (out, err.count("Stopped"), err.count("Error: ")) == ("", 1, 0)  # torchrun's own lines may stand around it
    assert not list(folder.glob("**/.*.part*"))


def test_a_mistake_is_told_once(here, words):
    (here / "data").mkdir()
    (here / "data/old.txt").write_text("precious")
    process = start(here, *TORCHRUN, 2, *words, "data")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "")
    assert re.findall(r"^Error: .*", err, re.MULTILINE) == ["Error: the folder data is not empty; choose another name."]


def test_nobody_waits_for_the_dead(here, words):
    """Two processes without torchrun, which would end one when the other is killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    leader, other = (start(here, *words, "data", **world, RANK=str(rank), LOCAL_RANK="0") for rank in range(2))
    wait_for(lambda: COUNT // 2 + 10 in numbers(here / "data"), leader)
    other.kill()
    out, err = leader.communicate(timeout=120)
    assert (leader.returncode, out) == (1, "")
    assert err == "Error: another process ended early; run the same command again to continue.\n"
