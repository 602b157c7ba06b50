"""Drawing and measuring on a CUDA device."""

import pytest
import small_families
import torch
from tiny_generator import make_tiny

from stylegan_cli import compilation, modelfile, tuning
from stylegan_cli.compilation import CLOSE_ENOUGH
from stylegan_cli.metrics.evaluation import MIN_PICTURES, Judge, Settings
from stylegan_cli.metrics.features import EfficientNetFeatures
from stylegan_cli.metrics.sets import Made
from stylegan_cli.noise import Noise
from stylegan_cli.psnr import psnr
from stylegan_cli.tuning import Tuning

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA device."),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("family", ["mobilestylegan", *small_families.CONFIGS])
def test_the_same_command_draws_the_same_bytes(stylegan, here, family, precision):
    generator = make_tiny() if family == "mobilestylegan" else small_families.make(family)
    modelfile.save(generator, here / "model.safetensors", {})
    command = ["sample", "--seeds", "0-2", "--model", "model.safetensors", "--device", CUDA.type]
    command += ["--precision", precision, "--out", "faces", "--force"]
    drawn = []
    for _ in range(2):
        result = stylegan(*command)
        assert result.exit_code == 0, result.stderr
        drawn.append([path.read_bytes() for path in sorted((here / "faces").iterdir())])
    assert len(drawn[0]) == 3
    assert drawn[0] == drawn[1]


def make_tuning(name, tensor):
    chance = torch.Generator().manual_seed(0)
    left, right = torch.randn(len(tensor), 2, generator=chance), torch.randn(2, tensor[0].numel(), generator=chance)
    return Tuning({name: (left.half(), right.half())}, {})


@pytest.mark.slow
def test_compiled_code_draws_the_same(tmp_path, monkeypatch):
    """Also after somebody whose tuning swaps tensors that compiled code knows."""
    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    generator = make_tiny().prepare(CUDA, torch.float32)
    name = "blocks.1.conv1.pointwise"
    tuned = tuning.whole(make_tuning(name, generator.get_parameter(name)), generator.num_ws)
    ws = generator.broadcast(torch.randn(1, generator.w_dim).to(CUDA))

    def pictures():
        with torch.inference_mode():
            return [tuning.synthesize(generator, ws, Noise(), terms) for terms in ((), tuned, tuned, ())]

    expected = pictures()
    assert psnr(expected[0], expected[1]) < CLOSE_ENOUGH
    compilation.compile_synthesis(generator)
    for found, wanted in zip(pictures(), expected, strict=True):
        assert psnr(found, wanted) > CLOSE_ENOUGH


def test_metrics_are_the_cpus():
    reports = []
    for device in (CPU, CUDA):
        made = Made(make_tiny().prepare(device, torch.float32))
        settings = Settings(("fd", "kd", "ppl"), MIN_PICTURES)
        reports.append(Judge(made, settings, EfficientNetFeatures(device))(made))
    for name in ("fd", "kd"):
        assert reports[1][name] == pytest.approx(reports[0][name], rel=1e-2, abs=1e-3)
    assert reports[1]["ppl"] == pytest.approx(reports[0]["ppl"], rel=0.1)  # tiny differences, much enlarged
