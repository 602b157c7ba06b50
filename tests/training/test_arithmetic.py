"""What a GPU is told to compute in, which shows without one."""

import pytest
import torch

from stylegan_cli.training.arithmetic import arithmetic


def flags():
    cudnn = torch.backends.cudnn
    return cudnn.benchmark, cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("fp32", "cuda", (True, False, "highest")),
        ("bf16", "cuda", (True, True, "high")),
        ("fp16", "cuda", (True, True, "high")),
        ("bf16", "cpu", (False, True, "highest")),
    ],
)
def test_float32_is_float32_and_everything_is_put_back(precision, device, expected):
    before = flags()
    assert before == (False, True, "highest")
    with pytest.raises(ZeroDivisionError), arithmetic(precision, torch.device(device)):
        assert flags() == expected
        raise ZeroDivisionError
    assert flags() == before
