"""What is told of a precision that was asked for."""

import pytest

from stylegan_cli import hardware
from stylegan_cli.cli import devices

really = devices.tell_if_emulated
SENTENCE = "This CPU only emulates {}, which takes many times as long as --precision fp32."


@pytest.fixture
def features(stylegan, monkeypatch):
    """The bfloat16 instructions that this CPU is made to have."""
    known = []
    monkeypatch.setattr(devices, "tell_if_emulated", really)
    monkeypatch.setattr(hardware, "cpu_features", lambda: known)
    return known


@pytest.mark.parametrize(
    ("precision", "has_amx", "is_told"),
    [("bf16", False, True), ("bf16", True, False), ("fp16", True, True), ("fp32", False, False), ("auto", True, False)],
)
def test_what_is_emulated_is_slow(stylegan, tiny_model, features, precision, has_amx, is_told):
    features += ["AMX"] * has_amx
    result = stylegan("sample", 1, "--size", 16, "--model", tiny_model, "--precision", precision)
    assert result.exit_code == 0, result.stderr
    assert (SENTENCE.format(precision) in result.stderr) == ("emulates" in result.stderr) == is_told


def test_training_too(stylegan, here, features):
    stylegan("sample", "--model", "faces-64", "-n", 16, "--dataset", "faces.zip")
    result = stylegan("train", "--data", "faces.zip", "--outdir", "run", "--precision", "bf16", "--dry-run")
    assert result.exit_code == 0 and SENTENCE.format("bf16") in result.stderr, result.stderr
