"""Who takes part, and on which GPU."""

import os
import signal
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch

from stylegan_cli import parallel
from stylegan_cli.errors import UsageError
from stylegan_cli.parallel import LostError, World, check_apart

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def launched(monkeypatch):
    """Joins as a launcher's process on a machine of two GPUs, with what that launcher tells."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(parallel.dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(parallel.dist, "is_nccl_available", lambda: False)

    def join(**told):
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name, raising=False)
        for name, value in told.items():
            monkeypatch.setenv(name, str(value))
        met = None, told["RANK"], told["WORLD_SIZE"]
        monkeypatch.setattr(parallel.dist, "rendezvous", lambda *_, **__: iter([met]))
        return parallel.join(CUDA)

    return join


@pytest.mark.parametrize(("told", "gpu"), [({"LOCAL_RANK": 1}, 1), ({"LOCAL_RANK": 0}, 0), ({}, 1), ({"RANK": 4}, 0)])
def test_a_process_has_the_gpu_of_its_number(launched, told, gpu):
    """On its machine, or of all where it is told no other."""
    told = {"RANK": 3, "WORLD_SIZE": 6} | told
    assert launched(**told) == (World(told["RANK"], 6), torch.device("cuda", gpu))


def test_gpus_add_through_nccl_and_processes_talk_through_gloo(launched, monkeypatch):
    """Hours are for a leader that writes; a GPU that is lost is not waited for so long."""
    groups = {}
    told = {"RANK": 0, "WORLD_SIZE": 2}
    monkeypatch.setattr(parallel.dist, "init_process_group", lambda backend, **how: groups.update({backend: how}))
    monkeypatch.setattr(
        parallel.dist, "new_group", lambda backend, timeout: groups.update({backend: timeout}) or "gpus"
    )
    assert launched(**told)[0].between_gpus is None
    monkeypatch.setattr(parallel.dist, "is_nccl_available", lambda: True)
    world, _ = launched(**told)
    assert groups["gloo"]["timeout"] == timedelta(hours=3) and groups["nccl"] < timedelta(minutes=20)
    through = []
    monkeypatch.setattr(parallel.dist, "all_reduce", lambda _, group: through.append(group))
    world.add(SimpleNamespace(is_cuda=True))
    world.add(torch.zeros(1))
    assert through == ["gpus", None]


def test_waiting_for_the_others_can_be_stopped(monkeypatch):
    """The wait itself, which hears nothing, is on another thread."""
    others, waiting = threading.Event(), []

    def rendezvous(*_, **__):
        waiting.append(threading.current_thread())
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        return iter(others.wait, None)

    monkeypatch.setattr(parallel.dist, "rendezvous", rendezvous)
    monkeypatch.setenv("WORLD_SIZE", "2")
    try:
        with pytest.raises(KeyboardInterrupt):
            parallel.join(CPU)
    finally:
        others.set()
    assert waiting != [threading.main_thread()]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"WORLD_SIZE": "2"}, r"^this was started as one of several processes, but cannot join them \(.*MASTER_ADDR"),
        ({"WORLD_SIZE": "two"}, r"cannot join them \(.*two.*\); use torchrun$"),
    ],
)
def test_a_launcher_that_says_too_little(monkeypatch, told, error):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    for name, value in {"RANK": "0", **told}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=error):
        parallel.join(CPU)


def test_a_launcher_whose_first_process_is_missing(monkeypatch):
    monkeypatch.setattr(parallel, "MEETING", timedelta(seconds=1))
    said = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9"}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LostError, match=r"^the other processes cannot be reached \("):
        parallel.join(CPU)


def test_a_gpu_each(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="first"))
    world, others = World(0, 3), ["second", "third"]
    monkeypatch.setattr(World, "gather", lambda _, value: [value, *((value[0], uuid) for uuid in others)])
    check_apart(world, CUDA)
    others[1] = "first"
    with pytest.raises(UsageError, match=r"^3 processes found 2 GPUs, but each needs one of its own; start as many"):
        check_apart(world, CUDA)
    check_apart(world, CPU)
    check_apart(World(), CUDA)


def add_gradients(world):
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    world.add_gradients([parameter])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("[pair.cc:553] Connection closed by peer [127.0.0.1]:35513. GLHF!",
         "another process ended early; run the same command again to continue"),
        ("NCCL error in: x.cpp:94, system error\nLast error:\n",
         r"the other processes cannot be reached \(NCCL error in: x.cpp:94, system error\); once they can, .*"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("say", [add_gradients, lambda w: w.add(torch.zeros(1)), World.wait, lambda w: w.gather(1)])
def test_the_silence_of_others_is_told_in_words(monkeypatch, say, error, told):
    def silence(*_, **__):
        raise RuntimeError(error)

    for name in ("all_reduce", "barrier", "all_gather_object"):
        monkeypatch.setattr(parallel.dist, name, silence)
    with pytest.raises(LostError, match=f"^{told}$"):
        say(World(0, 2))
