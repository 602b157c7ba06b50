"""Everything that a run needs to continue as if it had never stopped. There are no random states: see `randomness`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.training import networks
from stylegan_cli.training.options import REG_INTERVALS, Options

# The advice for a run whose losses or networks are not finite.
WAY_OUT = (
    "try a smaller --glr and --dlr or a larger --gamma, in a new --outdir, with --resume and this run's folder if it "
    "was good until then, or else its network-best.safetensors"
)


@dataclass
class Progress:
    """How far a run is: steps, pictures that the discriminator has seen, and values that training itself adjusts.

    `p` is the augmentation's probability; `signs` and `seen` are the sum and the number of signs of the scores of real
    pictures since `p` last changed. `path_mean` is the running mean of path lengths.
    """

    step: int = 0
    nimg: int = 0
    path_mean: float = 0.0
    p: float = 0.0
    signs: float = 0.0
    seen: float = 0.0

    @property
    def kimg(self) -> float:
        return self.nimg / 1000


@dataclass
class State:
    """The networks, the running average of the generator, the optimisers and the progress of one run. The scaler keeps
    gradients in float16 within its range, and skips steps in which they overflowed; with other types it does
    nothing."""

    generator: Generator
    discriminator: nn.Module
    average: Generator
    g_adam: torch.optim.Adam
    d_adam: torch.optim.Adam
    scaler: torch.amp.GradScaler
    progress: Progress = field(default_factory=Progress)

    def set_lod(self, lod: float) -> None:
        """Sets how many doublings the networks lack while they grow; without effect if they do not."""
        for network in (self.generator, self.discriminator, self.average):
            network.lod = lod  # type: ignore[assignment]

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU, for `load`."""
        return {key: tensor.cpu().contiguous() for key, tensor in self._tensors().items()}

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, network in self._networks():
            found |= {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
        for name, adam, network in self._adams():
            for key, parameter in network.named_parameters():
                found |= {f"{name}.{key}.{kind}": value for kind, value in adam.state.get(parameter, {}).items()}
        found |= {f"scaler.{key}": torch.tensor(value) for key, value in self.scaler.state_dict().items()}
        return {key: tensor.detach() for key, tensor in found.items()}

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, including Adam's two moments for every trained parameter, which exist from the first
        step on."""
        networks = sum(tensor.nbytes for _, network in self._networks() for tensor in network.state_dict().values())
        learning = (p for _, adam, _ in self._adams() for group in adam.param_groups for p in group["params"])
        return networks + 2 * sum(parameter.nbytes for parameter in learning)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], progress: Mapping[str, float]) -> None:
        """Restores what `tensors` and `asdict(progress)` returned; the given tensors, which may be a mapped file, are
        copied."""
        for name, network in self._networks():
            network.load_state_dict(below(tensors, name))
        for name, adam, network in self._adams():
            found = below(tensors, name)
            for key, parameter in network.named_parameters():
                if f"{key}.step" in found:
                    # Fused Adam works in memory order: its moments must have the parameter's memory layout.
                    kinds = ("exp_avg", "exp_avg_sq")
                    moments = {kind: torch.empty_like(parameter).copy_(found[f"{key}.{kind}"]) for kind in kinds}
                    where = parameter.device if adam.defaults["fused"] else "cpu"
                    step = found[f"{key}.step"].to(where, copy=True)
                    adam.state[parameter] = {"step": step, **moments}
        if self.scaler.is_enabled():
            self.scaler.load_state_dict({key: value.item() for key, value in below(tensors, "scaler").items()})
        self.progress = Progress(**progress)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raises StyleganError if any tensor is not finite."""
        if not all(bool(tensor.isfinite().all()) for tensor in self._tensors().values()):
            raise StyleganError(
                f"the networks contain numbers that are not finite after {self.progress.kimg:.1f} kimg; {WAY_OUT}"
            )

    def _networks(self) -> Iterator[tuple[str, nn.Module]]:
        yield from (("g", self.generator), ("d", self.discriminator), ("average", self.average))

    def _adams(self) -> Iterator[tuple[str, torch.optim.Adam, nn.Module]]:
        yield from (("g_adam", self.g_adam, self.generator), ("d_adam", self.d_adam, self.discriminator))


def below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The entries of `State.tensors` that begin with `name.`: `g`, `d` and `average` are networks."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def begin(options: Options, start: networks.Start, device: torch.device) -> State:
    """The state of a new run; `start` are tensors of other models to start from. Raises UsageError if the whole
    discriminator is frozen."""
    generator, discriminator = networks.build(options)
    networks.copy_matching(generator, start.generator)
    networks.copy_matching(discriminator, start.discriminator)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    networks.copy_matching(average, start.average)
    generator.dtype = discriminator.dtype = PRECISIONS[options.precision]  # type: ignore[assignment]
    for network in (generator, discriminator, average):
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = networks.frozen_parameters(discriminator, options.freezed)
    for name, parameter in discriminator.named_parameters():
        parameter.requires_grad_(name not in frozen)
    if not any(parameter.requires_grad for parameter in discriminator.parameters()):
        raise UsageError(f"--freezed {options.freezed} freezes the whole discriminator; use a smaller number")
    adams = adam(generator, options.g_interval), adam(discriminator, REG_INTERVALS["d"])
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**10, enabled=options.precision == "fp16")
    return State(generator, discriminator, average, *adams, scaler, Progress(p=options.p))


def adam(network: nn.Module, reg_interval: int | None) -> torch.optim.Adam:
    """Adam with beta1 0 and beta2 0.99, both to the power of `lazy_share`, by which the learning rate is also
    multiplied (StyleGAN2, appendix B: lazy regularisation)."""
    betas = 0.0, 0.99 ** lazy_share(reg_interval)
    learning = [p for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(learning, betas=betas, eps=1e-8, fused=learning[0].device.type in ("cpu", "cuda"))


def lazy_share(interval: int | None) -> float:
    """The fraction of steps that are not regularisation, which is done every `interval` steps (None: never)."""
    return 1.0 if interval is None else interval / (interval + 1)
