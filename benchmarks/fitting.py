"""What scripts that train small networks on sampled faces share: disturbances as in photos, and the loop."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from stylegan_cli.files import replacing

HELD_OUT = 512
BATCH = 64
RATE, WARM_UP = 2e-3, 200  # the learning rate's peak, and the steps until then
EMA = 0.999

Network = Callable[[Tensor], Tensor]


def fit(
    network: nn.Module,
    count: int,
    epochs: int,
    loss: Callable[[Network, Tensor], Tensor],
    quality: Callable[[nn.Module], str],
    out: Path,
) -> None:
    """Trains a network with the `loss` on a batch, given its indices below `count`, and after every epoch prints the
    `quality` of its running average and writes that in half precision."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).requires_grad_(False).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    compiled = torch.compile(network)
    steps = count // BATCH
    for epoch in range(epochs):
        order = torch.randperm(count)
        for i in range(steps):
            done = epoch * steps + i
            share = min(1, (done + 1) / WARM_UP) * (1 + math.cos(math.pi * done / steps / epochs)) / 2
            for group in optimiser.param_groups:
                group["lr"] = RATE * share
            optimiser.zero_grad()
            loss(compiled, order[i * BATCH : (i + 1) * BATCH]).backward()
            optimiser.step()
            _follow(average, network, min(EMA, done / (done + 10)))
        print(f"epoch {epoch + 1}: on held-out faces {quality(average)}", flush=True)
        state = average.state_dict().items()
        tensors = {name: (x.half() if x.is_floating_point() else x).contiguous() for name, x in state}
        with replacing(out) as part:
            save_file(tensors, part, {"trained": f"benchmarks/train_{out.stem}.py, {epoch + 1} of {epochs} epochs"})


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, share: float) -> None:
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - share)
        else:
            slow.copy_(fast)


def disturb(x: Tensor) -> Tensor:
    """Views `[n, 3, h, w]` in [-1, 1], each disturbed differently, as in photos."""
    n, _, h, w = x.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(n, *(shape or (1, 1, 1))).uniform_(low, high)

    def sometimes(share: float, changed: Tensor, x: Tensor) -> Tensor:
        return torch.where(torch.rand(n, 1, 1, 1) < share, changed, x)

    across, below = torch.linspace(-1, 1, w), torch.linspace(-1, 1, h)[:, None]
    x = sometimes(0.3, F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear"), x)
    x = torch.cat([_jpeg(x[: n // 5]), x[n // 5 :]])
    x = sometimes(0.1, x.mean(dim=1, keepdim=True).expand_as(x), x)
    x = ((x + 1) / 2).clamp(1e-3, 1) ** uniform(0.7, 1.4) * 2 - 1
    x = x * uniform(0.6, 1.3) * (1 + across * uniform(-0.3, 0.3) + below * uniform(-0.3, 0.3))
    x = x + uniform(-0.25, 0.25) + uniform(-0.12, 0.12, 3, 1, 1)
    x = sometimes(0.5, x + torch.randn_like(x) * uniform(0, 0.15), x)
    x = sometimes(0.2, torch.where(_rectangle(n, across, below), uniform(-1, 1, 3, 1, 1), x), x)
    beyond = (across * uniform(-1, 1).sign() > uniform(0.5, 1)) | (below * uniform(-1, 1).sign() > uniform(0.5, 1))
    return sometimes(0.06, x.masked_fill(beyond, -1), x).clamp(-1, 1)


def _jpeg(x: Tensor) -> Tensor:
    """Views saved as JPEG and opened again."""
    pictures = ((x.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
    opened = []
    for picture, quality in zip(pictures, torch.randint(30, 90, (len(x),)).tolist(), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        opened.append(np.asarray(Image.open(buffer)))
    return torch.from_numpy(np.stack(opened)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _rectangle(n: int, across: Tensor, below: Tensor) -> Tensor:
    """Masks `[n, 1, h, w]` of a rectangle somewhere on each view, up to two fifths of its edge."""
    corner, size = torch.rand(2, n, 1, 1, 1) * 2.8 - 1.8, torch.rand(2, n, 1, 1, 1) * 0.8
    beside = (across > corner[0]) & (across < corner[0] + size[0])
    return beside & (below > corner[1]) & (below < corner[1] + size[1])
