"""That no tensor of a computation is left on another device, where there is no such device: torch's fake tensors have
a shape and a device but no values, and refuse to be added to what lies elsewhere. (Convolutions only check since torch
2.14.) And that nothing there is float64, which Apple's MPS does not have."""

import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
import small_families
import torch
from tiny_generator import TINY
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stylegan_cli import architectures
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.noise import Noise
from stylegan_cli.training import augment, losses

CONFIGS = {"mobilestylegan": asdict(TINY), **small_families.CONFIGS}
TRAINED = ("stylegan1", "stylegan2")
# Slices go to the guard of their device, which a torch for CPUs lacks. This one does nothing.
GUARD = """
#include <c10/core/impl/DeviceGuardImplInterface.h>
namespace c10::impl { C10_REGISTER_GUARD_IMPL(CUDA, NoOpDeviceGuardImpl<DeviceType::CUDA>) }
"""
OLD = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(OLD, reason="Fake tensors of older versions of torch ask the GPU.")]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A mode in which tensors of `cuda` can be made, and computed with."""
    if not torch.cuda.is_available():
        torch.ops.load_library(compiled(GUARD, tmp_path_factory.mktemp("guard")))
    return FakeTensorMode()  # one for all: filters are kept


def compiled(code, folder):
    source, library = folder / "guard.cpp", folder / "guard.so"
    include, lib = (Path(torch.__file__).parent / name for name in ("include", "lib"))
    source.write_text(code)
    try:
        subprocess.run(
            ["c++", "-std=c++20", "-shared", "-fPIC", f"-I{include}", source, "-o", library, f"-L{lib}", "-lc10"],
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Nothing compiles C++ for torch here: {error}")
    return library


class NoDoubles(TorchDispatchMode):
    """Raises where a float64 tensor is made on another device, or copied there."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        seen = [one for one in tree_leaves((args, kwargs, result)) if isinstance(one, torch.Tensor)]
        if any(one.device.type != "cpu" for one in seen) and any(one.dtype == torch.float64 for one in seen):
            raise TypeError(f"{function} uses float64 on another device")
        return result


def make(family):
    generator = architectures.build(family, CONFIGS[family], "cuda").eval()
    for name, constant in generator.named_buffers():  # made of numbers, so on the CPU until a model is moved
        owner, _, own = name.rpartition(".")
        setattr(generator.get_submodule(owner), own, constant.to("cuda"))
    return generator


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", CONFIGS)
def test_pictures(elsewhere, family, precision):
    with elsewhere, NoDoubles(), torch.inference_mode():
        generator = make(family)
        if family == "stylegan3":
            generator.set_transform((0.1, 0.0), 15.0)
        generator.dtype = PRECISIONS[precision]
        for n in (1, 2):  # a picture alone takes another way
            z = torch.randn(n, generator.z_dim, device="cuda")
            ws = generator.truncate(generator.broadcast(generator.to_w(z)), 0.7)
            for noise in (Noise(), Noise("random", 3)) if generator.has_noise else (Noise(),):
                assert generator.synthesize(ws, noise).device.type == "cuda"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", TRAINED)
def test_scores(elsewhere, monkeypatch, family, precision):
    """As training has them: of generated pictures with mixed styles, changed by all augmentations."""
    monkeypatch.setattr(augment, "_margin", lambda _inverse, _size: 16)  # of numbers, which there are none
    with elsewhere, NoDoubles():
        generator = make(family)
        config = {"resolution": generator.resolution, "c_dim": 3}
        discriminator = architectures.build_discriminator(family, config, "cuda")
        generator.dtype = discriminator.dtype = PRECISIONS[precision]
        one, other = (
            generator.broadcast(generator.to_w(torch.randn(4, generator.z_dim, device="cuda"))) for _ in range(2)
        )
        images = generator.synthesize(losses.mixed_styles(one, other, 0.9, generator.num_ws), noise=None)
        c = torch.zeros(4, 3, device="cuda")
        scores = discriminator(augment.augment(images, 0.5, "bgc"), c)
        assert losses.generator_loss(scores).device.type == "cuda"


def test_another_device_is_seen(elsewhere):
    with elsewhere:
        generator = make("stylegan2")
        ws = torch.zeros(1, generator.num_ws, generator.w_dim, device="cpu")
        with pytest.raises(RuntimeError, match="same device"):
            generator.truncate(ws, 0.7)


def test_float64_is_seen(elsewhere):
    with elsewhere, NoDoubles():
        torch.zeros(2, dtype=torch.float64)
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, device="cuda").double()
