"""Several processes that work together (`torchrun`): they train one model, each with its share of every batch, or
divide pictures among them."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from stylegan_cli.errors import StyleganError, UsageError, first_line

T = TypeVar("T")
PATIENCE = timedelta(hours=3)  # for a leader writing a snapshot or computing metrics; torchrun detects dead processes
CLOSED = re.compile("closed by peer|reset by peer|broken pipe", re.IGNORECASE)  # messages of gloo and NCCL
# For another GPU: whatever takes longer is waited for on the CPU. NCCL then ends this process.
STALLED = timedelta(minutes=10)
FOR_EVER = timedelta(days=365)
# RuntimeErrors that are not about other processes: those of this one's GPU, which come to light when it is waited for.
OUR_OWN = (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))  # new in torch 2.8
MEETING = timedelta(minutes=30)  # for all processes to start


class LostError(StyleganError):
    """A process that this one waits for has ended."""


@contextmanager
def _hearing() -> Iterator[None]:
    """Turns the plain RuntimeErrors by which gloo and NCCL report a lost process into `LostError`."""
    try:
        yield
    except OUR_OWN:
        raise
    except RuntimeError as error:
        if CLOSED.search(str(error)):
            raise LostError("another process ended early; run the same command again to continue") from error
        why = f"the other processes cannot be reached ({first_line(error)})"
        raise LostError(f"{why}; once they can, run the same command again to continue") from error


@dataclass(frozen=True)
class World:
    """The processes that take part: this is number `rank` of `size`. They talk through gloo, and add tensors on GPUs
    through NCCL if there is a group `between_gpus`. Every method that waits for the others raises `LostError` if one of
    them has ended; only NCCL does not tell, but ends this process, too."""

    rank: int = 0
    size: int = 1
    between_gpus: dist.ProcessGroup | None = field(default=None, compare=False)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0

    def share(self, parts: int) -> range:
        """The indices of this process's parts, if a batch has `parts` of them."""
        return range(self.rank, parts, self.size)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every process's gradients by the sum over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.add(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            with _hearing():
                dist.all_reduce(values, group=self.between_gpus if values.is_cuda else None)
        return values

    def wait(self) -> None:
        """Waits until all processes get here."""
        if self.size > 1:
            with _hearing():
                dist.barrier()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Waits at the end of the block for all processes. If the block fails in one, all raise the same error: none
        waits for those that have left, and all know how it ended."""
        failure: Exception | None = None
        try:
            yield
        except (StyleganError, OSError) as error:
            if self.size == 1:
                raise
            failure = error
        if self.add(torch.tensor(float(failure is not None))):
            raise next(error for error in self.gather(failure) if error) from None

    def gather(self, value: T) -> list[T]:
        """Every process's value, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with _hearing():
            dist.all_gather_object(values, value)
        return values

    def leave(self) -> None:
        if self.size > 1:
            dist.destroy_process_group()


def join(device: torch.device) -> tuple[World, torch.device]:
    """Joins the other processes that torchrun started, if any. Returns the `World` and this process's own device."""
    world, device = _join(device, PATIENCE)
    if world.size > 1 and device.type == "cuda" and dist.is_nccl_available():  # Windows has none
        with _hearing():
            world = replace(world, between_gpus=dist.new_group(backend="nccl", timeout=STALLED))
    return world, device


def join_to_share(device: torch.device) -> World:
    """`join`, for work that is only divided: processes wait for each other as long as it takes, and may share GPUs."""
    world, _ = _join(device, FOR_EVER)
    return world


def _join(device: torch.device, patience: timedelta) -> tuple[World, torch.device]:
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return World(), device
    if device.type == "mps":
        raise UsageError("several processes cannot share Apple's MPS; use --device cpu, or start only one")
    if device.type == "cuda":
        # Launchers other than torchrun may not number a machine's processes: then the ranks fill the GPUs in turn.
        number = os.environ.get("LOCAL_RANK") or os.environ.get("RANK", "0")
        device = torch.device("cuda", int(number) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    store, rank, size = _meet()
    with _hearing():
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=patience)
    return World(rank, size), device


def _meet() -> tuple[dist.Store, int, int]:
    """Where the processes find each other, this one's rank, and their number, as the launcher's environment has it.
    Another thread waits for the others: torch would not let this one hear Ctrl-C."""
    met: Future[tuple[dist.Store, int, int]] = Future()

    def meet() -> None:
        try:
            met.set_result(next(dist.rendezvous("env://", timeout=MEETING)))
        except (ValueError, RuntimeError) as error:
            met.set_exception(error)

    Thread(target=meet, daemon=True).start()
    while not met.done():
        time.sleep(0.05)
    try:
        with _hearing():
            return met.result()
    except ValueError as error:
        raise UsageError(
            f"this was started as one of several processes, but cannot join them ({error}); use torchrun"
        ) from None


def check_apart(world: World, device: torch.device) -> None:
    """Raises `UsageError` unless every process has a GPU of its own, before NCCL fails with a message of its own. GPUs
    are identified by UUID: launchers may show each process only one, which is then number 0 for all of them."""
    if world.size == 1 or device.type != "cuda":
        return
    gpus = set(world.gather((platform.node(), str(torch.cuda.get_device_properties(device).uuid))))
    if len(gpus) < world.size:
        raise UsageError(
            f"{world.size} processes found {len(gpus)} GPU{'s' * (len(gpus) > 1)}, but each needs one of its own; "
            "start as many processes on each machine as it has GPUs"
        )
