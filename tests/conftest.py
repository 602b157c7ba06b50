"""What many tests need: a tiny generator, its model file, the default model, and the command line."""

import signal
import sys
from pathlib import Path

import plain_environment  # noqa: F401 before typer
import pytest
import torch
import torch.nn.functional as F
from command_tree import TOP
from hypothesis import HealthCheck, settings
from PIL import Image
from tiny_generator import make_tiny
from typer.testing import CliRunner

from stylegan_cli import modelfile, store
from stylegan_cli.cli import devices
from stylegan_cli.cli.app import app
from stylegan_cli.metrics import inception
from stylegan_cli.scorers.perceptual import EfficientNetLite0

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parent / "golden"
# Tiny networks gain nothing from threads, which on a busy machine only wait for each other.
torch.set_num_threads(1)
# Scripts start background processes in such a way that Ctrl-C is ignored; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A slow machine is no failure, and a failure can be had again.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def same_numbers():
    """In whatever order tests run, torch's random numbers are the same."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny():
    return make_tiny()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The native model file of `tiny`."""
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    modelfile.save(make_tiny(), path, {})
    return path


@pytest.fixture(scope="session")
def ffhq():
    """The default model in float32, fetched into the user's cache if it is not there yet."""
    return store.load("ffhq").prepare(CPU, torch.float32)


@pytest.fixture(scope="session")
def faces():
    """Four aligned faces of 192 pixels, whose looks everybody can see: a laughing woman, a stern old man who looks to
    the right, a baby, and a woman whose head is lowered."""
    return {path.stem: Image.open(path).convert("RGB") for path in (GOLDEN / "faces").glob("*.jpg")}


@pytest.fixture(scope="session")
def astronaut():
    """A woman in a photo of 360 pixels, the distance of her eyes 30."""
    return Image.open(GOLDEN / "astronaut.jpg").convert("RGB")


@pytest.fixture
def fine_features():
    """For a test that asks how close pictures are: see `coarse_features`."""


@pytest.fixture
def coarse_features(monkeypatch, request):
    """The network that compares pictures looks at them a quarter as wide: comparing is most of the work of many
    commands, and as good where it does not matter how close two pictures are."""
    if "fine_features" not in request.fixturenames:
        look = EfficientNetLite0.forward
        monkeypatch.setattr(EfficientNetLite0, "forward", lambda self, images: look(self, F.avg_pool2d(images, 4)))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def stylegan(here, monkeypatch):
    """The command line in an empty folder: `stylegan("mix", "--coarse", 1)`."""
    # The messages are the same on all machines.
    monkeypatch.setattr(devices, "tell_if_emulated", lambda *_: None)
    # As in a process, which builds its commands once; the runner would each time.
    monkeypatch.setattr("typer.testing._get_command", lambda _: TOP)

    def run(*arguments):
        words = list(map(str, arguments))
        monkeypatch.setattr(sys, "argv", ["stylegan", *words])
        return CliRunner().invoke(app, words)

    return run


@pytest.fixture
def tiny_stylegan(stylegan, tiny_model):
    """The same with the tiny model, for commands that take --model; fails where the command does not end well."""

    def run(*arguments):
        result = stylegan(*arguments, "--model", tiny_model)
        assert (result.exit_code, result.stderr) == (0, "")
        return [Path(line) for line in result.stdout.splitlines()]

    return run


@pytest.fixture
def quick_inception(monkeypatch):
    """In the place of the network that defines FID, one whose features are a picture's average colours."""

    def averages(images):
        assert images.dtype == torch.uint8
        return images.float().mean(dim=(2, 3))

    monkeypatch.setattr(inception, "network", lambda _: averages)
