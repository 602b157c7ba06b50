"""The device and the precision: what the user asked for, or the best that this machine has."""

from __future__ import annotations

import platform
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from stylegan_cli.errors import UsageError

AMD = "AuthenticAMD"
OTHER_BUILD = "install another build of PyTorch"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(asked: str) -> torch.device:
    """`auto` takes CUDA if there is one, else the CPU. Apple's MPS must be asked for: its pictures are not verified."""
    if asked not in ("auto", "cuda", "mps", "cpu"):
        number = asked.removeprefix("cuda:")
        how = f"; use cuda, and set CUDA_VISIBLE_DEVICES={number}" if number.isdecimal() else ""
        raise UsageError(f"there is no device {asked!r}; devices are auto, cpu, cuda and mps{how}")
    available = [name for name in ("cuda", "mps", "cpu") if has_device(name)]
    if asked == "auto":
        return torch.device("cuda" if "cuda" in available else "cpu")
    if asked == "cuda" and (gpu := unusable_gpu()):
        raise UsageError(f"--device cuda: this torch has no code for the {gpu}; {OTHER_BUILD}, or use --device cpu")
    if asked not in available:
        raise UsageError(f"--device {asked}: this machine or this torch has none; available: {', '.join(available)}")
    return torch.device(asked)


def has_device(name: str) -> bool:
    """Whether this machine and this torch have a device: `cuda`, `mps` or `cpu`."""
    if name == "cuda":
        return torch.cuda.is_available() and not unusable_gpu()
    return torch.backends.mps.is_available() if name == "mps" else name == "cpu"


def unusable_gpu() -> str:
    """The name of a GPU that is here, but that this torch has no code for: its builds leave out old ones, and those
    that came later. Empty if there is none."""
    if not torch.cuda.is_available():
        return ""
    with warnings.catch_warnings(action="ignore"):  # torch's own, of many lines
        if runs_on(torch.cuda.get_device_capability(), torch.cuda.get_arch_list()):
            return ""
        return torch.cuda.get_device_name()


def runs_on(capability: tuple[int, int], architectures: Collection[str]) -> bool:
    """Whether a GPU of this compute capability runs code that was built for these (`sm_80`, `compute_90`): machine code
    for the same major version, and intermediate code for any older one. What is of another kind (ROCm's `gfx90a`) is
    taken to run."""
    for name in architectures:
        built = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", name)
        if built is None:
            return True
        version = int(built[2]), int(built[3])
        if version <= capability and (built[1] == "compute" or version[0] == capability[0]):
            return True
    return not architectures


def choose_precision(asked: str, device: torch.device) -> str:
    """`auto` takes bfloat16 where it is faster (at 40 dB PSNR or more against float32), and float32 elsewhere."""
    if asked not in ("auto", *PRECISIONS):
        raise UsageError(f"there is no precision {asked!r}; precisions are auto, {', '.join(PRECISIONS)}")
    if asked != "auto":
        return asked
    return "bf16" if has_bfloat16(device) else "fp32"


def native_precisions(device: torch.device) -> list[str]:
    """The precisions that this device does not emulate, which takes many times as long as float32."""
    if device.type == "cuda":
        return ["fp32", "fp16", "bf16"] if has_bfloat16(device) else ["fp32", "fp16"]
    return ["fp32", "bf16"] if device.type == "cpu" and cpu_features() else ["fp32"]


def precision_of(dtype: torch.dtype) -> str:
    """The name in PRECISIONS of one of its types."""
    return next(name for name, one in PRECISIONS.items() if one == dtype)


def has_bfloat16(device: torch.device) -> bool:
    """Whether this hardware is fastest in bfloat16: CUDA from Ampere on, CPUs with AMX, and AMD's with AVX-512-BF16
    (Zen 4 and later).

    Intel's CPUs without AMX multiply bfloat16 no faster than float32, and were slower with every family; Zen 4 is twice
    as fast (`docs/performance.md`). The features are queried, not timed, so that results do not depend on chance.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    features = cpu_features()
    return device.type == "cpu" and ("AMX" in features or ("AVX-512-BF16" in features and cpu_vendor() == AMD))


def has_matrix_units(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether matrix products in this precision cost next to nothing here: in half precision, on GPUs and on AMX."""
    if dtype == torch.float32:
        return False
    return device.type == "cuda" or (device.type == "cpu" and "AMX" in cpu_features())


def set_up(device: torch.device, precision: str) -> None:
    """Prepares for drawing in this precision: `fp32` is true float32 even where torch would let a GPU's convolutions
    round to TF32, and the same picture drawn twice is identical to the bit, which cuDNN guarantees only on request."""
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = precision != "fp32"


@contextmanager
def exact_float32() -> Iterator[None]:
    """Within the block float32 is exact, even on GPUs that would round its products to TF32's 10 bits: by default torch
    allows that in convolutions, and training allows it in matrix products too."""
    convolutions, matrices = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(matrices)


def cpu_features() -> list[str]:
    """The bfloat16 instruction sets that this CPU has."""
    known = {"AMX": torch.cpu._is_amx_tile_supported, "AVX-512-BF16": torch.cpu._is_avx512_bf16_supported}
    return [name for name, is_supported in known.items() if is_supported()]


def cpu_vendor() -> str:
    """The vendor's name that an x86 CPU reports, like `GenuineIntel`; empty if the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        _, comma, vendor = platform.processor().rpartition(", ")  # Windows: "AMD64 Family 25 ..., AuthenticAMD"
        return vendor if comma else ""
    return next((line.partition(": ")[2] for line in lines if line.startswith("vendor_id")), "")
