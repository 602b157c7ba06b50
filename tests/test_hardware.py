"""What `auto` means on other machines than this one."""

import platform
from pathlib import Path

import pytest
import torch

from stylegan_cli import hardware
from stylegan_cli.errors import UsageError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("amx", "avx512", "vendor", "expected"),
    [
        (True, True, "GenuineIntel", "bf16"),
        (False, True, "GenuineIntel", "fp32"),
        (False, True, "AuthenticAMD", "bf16"),
        (False, False, "AuthenticAMD", "fp32"),
        (False, False, "", "fp32"),
    ],
)
def test_bfloat16_only_where_it_pays(monkeypatch, amx, avx512, vendor, expected):
    features = ["AMX"] * amx + ["AVX-512-BF16"] * avx512
    monkeypatch.setattr(hardware, "cpu_features", lambda: features)
    monkeypatch.setattr(hardware, "cpu_vendor", lambda: vendor)
    assert hardware.choose_precision("auto", CPU) == expected
    assert hardware.choose_precision("fp32", CPU) == "fp32"


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bf16"), (False, "fp32")])
def test_gpus_are_asked_for_bfloat16_of_their_own(monkeypatch, has_it, expected):
    """Older ones emulate it, slowly."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_it)
    assert hardware.choose_precision("auto", CUDA) == expected


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((6, 1), ["sm_75", "sm_80", "sm_86", "sm_90", "compute_90"], False),
        ((8, 9), ["sm_75", "sm_80", "sm_86", "sm_90"], True),
        ((8, 0), ["sm_80"], True),
        ((9, 0), ["compute_90"], True),
        ((8, 0), ["sm_86"], False),
        ((12, 0), ["sm_80", "sm_90", "compute_90"], True),
        ((12, 0), ["sm_80", "sm_90a"], False),
        ((10, 3), ["sm_100f"], True),
        ((7, 5), [], True),
        ((9, 0), ["gfx90a", "gfx1100"], True),
    ],
)
def test_gpus_that_torch_has_no_code_for(monkeypatch, capability, architectures, runs):
    """`auto` takes the CPU then; torch itself would fail at the first operation."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: architectures)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GTX 1050")
    assert hardware.choose_device("auto") == (CUDA if runs else CPU)
    assert hardware.choose_device("cpu") == CPU
    if runs:
        assert hardware.choose_device("cuda") == CUDA
    else:
        with pytest.raises(UsageError, match="no code for the GTX 1050; install another build of PyTorch, or use"):
            hardware.choose_device("cuda")


@pytest.mark.parametrize("amx", [True, False])
def test_matrix_units(monkeypatch, amx):
    monkeypatch.setattr(hardware, "cpu_features", lambda: ["AMX"] * amx + ["AVX-512-BF16"])
    assert hardware.has_matrix_units(CPU, torch.bfloat16) == amx
    assert hardware.has_matrix_units(CUDA, torch.float16)
    assert not any(hardware.has_matrix_units(device, torch.float32) for device in (CPU, CUDA))


@pytest.mark.parametrize(
    ("cpuinfo", "processor", "expected"),
    [
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n", "", "AuthenticAMD"),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", "", ""),
        (None, "AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD", "AuthenticAMD"),
        (None, "arm", ""),
    ],
    ids=["linux", "linux on arm", "windows", "macos"],
)
def test_a_processors_vendor(monkeypatch, cpuinfo, processor, expected):
    def read_text(path, **_):
        assert path.as_posix() == "/proc/cpuinfo"
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    assert hardware.cpu_vendor() == expected


@pytest.fixture
def arithmetic():
    """What float32 may be rounded to, as `(convolutions, matrices)`; afterwards as it was."""

    def now():
        return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()

    before, is_deterministic = now(), torch.backends.cudnn.deterministic
    yield now
    torch.backends.cudnn.deterministic = is_deterministic
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


@pytest.mark.parametrize("settings", [(True, "high"), (True, "highest"), (False, "medium")])
def test_exact_float32_lasts_as_long_as_it_is_wanted(arithmetic, settings):
    torch.backends.cudnn.allow_tf32 = settings[0]
    torch.set_float32_matmul_precision(settings[1])
    with hardware.exact_float32():
        assert arithmetic() == (False, "highest")
        assert not torch.backends.cuda.matmul.allow_tf32
    assert arithmetic() == settings
    with pytest.raises(KeyboardInterrupt), hardware.exact_float32():
        raise KeyboardInterrupt
    assert arithmetic() == settings


@pytest.mark.parametrize(("precision", "tf32"), [("fp32", False), ("bf16", True), ("fp16", True)])
def test_what_is_drawn_in_float32_is_not_rounded_and_the_same_again(arithmetic, precision, tf32):
    before = arithmetic(), torch.backends.cudnn.deterministic
    hardware.set_up(CPU, precision)
    assert (arithmetic(), torch.backends.cudnn.deterministic) == before
    hardware.set_up(CUDA, precision)
    assert arithmetic() == (tf32, "highest")
    assert torch.backends.cudnn.deterministic


def test_macs_are_not_asked_before_anybody_has_compared_their_pictures(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert hardware.choose_device("auto") == CPU
    assert hardware.choose_device("mps") == torch.device("mps")
    monkeypatch.setattr(hardware, "has_device", lambda _: True)
    assert hardware.choose_device("auto") == CUDA
