"""The encoders of pSp, e4e and ReStyle guess what the original code does, from its files, and serve projections."""

import json

import numpy as np
import psp_files
import pytest
import torch
from originals import GOLDEN, arrays
from PIL import Image
from psp_files import LAYERS, W_DIM, checkpoint, photo

from stylegan_cli import encoders, importers, store, tensorfile
from stylegan_cli.encoders import psp
from stylegan_cli.errors import StyleganError
from stylegan_cli.latents import files
from stylegan_cli.media.render import to_tensor


def written(path, *words, **options):
    torch.save(checkpoint(*words, **options), path)
    return path


@pytest.fixture
def e4e(tmp_path):
    return written(tmp_path / "e4e.pt", "Encoder4Editing", start_from_latent_avg=True)


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("GradualStyleEncoder", 3),
        ("Encoder4Editing", 3),
        *((f"{trunk}{kind}", 6) for kind in ("GradualStyleEncoder", "BackboneEncoder") for trunk in ("", "ResNet")),
        *((f"{trunk}ProgressiveBackboneEncoder", 6) for trunk in ("", "ResNet")),
    ],
)
@torch.no_grad()
def test_parity(tmp_path, kind, seen):
    path = written(tmp_path / "a.pt", kind, seen)
    generator = importers.generator(importers.read(path), "a")
    guess = encoders.load(path, generator).guess(photo(), generator)
    expected = arrays(GOLDEN / "psp.npz")[f"{kind}{seen}"]
    assert guess.shape == (1, LAYERS, W_DIM)
    assert (guess - expected).abs().max() < 1e-4 < expected.std() / 1000


@torch.no_grad()
@pytest.mark.parametrize("options", [{"start_from_latent_avg": False}, {"start_from_latent_avg": True}])
def test_what_offsets_are_added_to(tmp_path, options):
    path = written(tmp_path / "a.pt", "Encoder4Editing", **options)
    encoder = encoders.load(path, importers.generator(importers.read(path), "a"))
    expected = psp_files.number("latent_avg", (W_DIM,)) * options["start_from_latent_avg"]
    assert torch.equal(encoder.centre, expected.expand(LAYERS, -1))


def test_an_average_for_all_layers(tmp_path):
    tree = checkpoint("Encoder4Editing")
    tree["latent_avg"] = tree["latent_avg"][0]
    torch.save(tree, tmp_path / "a.pt")
    _, tensors = importers.read_encoder(tmp_path / "a.pt")
    assert torch.equal(tensors["centre"], tree["latent_avg"].expand(LAYERS, -1))


@pytest.mark.parametrize(
    ("kind", "seen", "options"),
    [
        ("GradualStyleEncoder", 4, {}),  # SAM's is told an age, too
        ("GradualStyleEncoder", 1, {}),  # sketches
        ("BackboneEncoderUsingLastLayerIntoW", 3, {}),
        ("Encoder4Editing", 3, {"dataset_type": "cars_encode"}),  # whose pictures are wide
        (None, 3, {}),
    ],
)
def test_other_encoders_are_left_out(tmp_path, kind, seen, options):
    """The generator in their files can be used all the same."""
    path = written(tmp_path / "a.pt", "GradualStyleEncoder", seen, **({"encoder_type": kind} | options))
    assert store.load(str(path)).num_ws == LAYERS
    assert not importers.has_encoder(path)
    assert store.source(str(path)).encoder is None


def damaged(tree, what):
    state = tree["state_dict"]
    if what == "a head is missing":
        state.pop("encoder.styles.7.convs.0.weight")
    elif what == "heads for more layers":
        state |= {name.replace("styles.7", "styles.8"): tensor for name, tensor in state.items() if "styles.7" in name}
    elif what == "not finite":
        state["encoder.latlayer1.bias"] = torch.full((W_DIM,), torch.nan)
    elif what == "a stranger":
        state["encoder.more"] = torch.zeros(1)
    elif what == "another average":
        tree["latent_avg"] = torch.zeros(3, W_DIM)
    elif what == "numbers many times":
        huge = torch.zeros(4000, 4000)
        state |= {f"encoder.body.{n}.more": huge for n in range(1000)}
    elif what == "too wide":
        state["encoder.input_layer.0.weight"] = torch.zeros(4096, 3, 1, 1)
    return tree


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a head is missing", "tensors do not have the sizes that it declares"),
        ("heads for more layers", "latent_avg does not fit its encoder"),
        ("not finite", "numbers that are not finite"),
        ("a stranger", "tensors do not have the sizes that it declares"),
        ("another average", "latent_avg does not fit its encoder"),
        ("numbers many times", "tensors are larger than the file itself"),
        ("too wide", "8 layers and 4096 feature maps, but 1024 are the most"),
    ],
)
def test_damaged_ones_are_refused(tmp_path, what, said):
    path = tmp_path / "a.pt"
    torch.save(damaged(checkpoint("Encoder4Editing"), what), path)
    with pytest.raises(StyleganError, match=f"{said}.*use another copy"):
        encoders.load(path, store.load(str(path)))


def test_one_for_other_layers_than_its_generators_is_refused(tmp_path):
    tree = checkpoint("Encoder4Editing", start_from_latent_avg=False)
    torch.save(damaged(tree, "heads for more layers"), tmp_path / "a.pt")
    with pytest.raises(StyleganError, match="it does not fit its generator"):
        encoders.load(tmp_path / "a.pt", store.load(str(tmp_path / "a.pt")))


@torch.no_grad()
def test_it_is_kept_with_a_model_that_is_added(e4e, tmp_path, monkeypatch, stylegan):
    """As it is, not in half precision; and an encoder of a model that had the name before is put aside."""
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    (tmp_path / "data/models/mine").mkdir(parents=True)
    (tmp_path / "data/models/mine/encoder.safetensors").write_bytes(b"hours of work")
    said = stylegan("models", "add", e4e, "--name", "mine").stderr
    assert "The encoder of a model that had this name before is kept" in said
    kept = store.source("mine").encoder
    assert kept == tmp_path / "data/models/mine/encoder.safetensors"
    generator = store.load("mine")
    encoder = encoders.load(kept, generator)
    assert torch.equal(encoder.guess(photo(), generator), encoders.load(e4e, generator).guess(photo(), generator))
    assert encoder.origin.sha256 == generator.origin.sha256
    assert f"encoder       {e4e}\n" in stylegan("models", "show", e4e).stdout


def test_it_is_no_encoder_of_kin(e4e, tmp_path, monkeypatch):
    """Its rows are those of one model's layers; theirs can be others."""
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    store.add(str(e4e), "mine")
    generator = store.load("mine")
    plain = {"g_ema": {n.removeprefix("decoder."): x for n, x in checkpoint("Encoder4Editing")["state_dict"].items()
                       if n.startswith("decoder.")}, "latent_avg": generator.w_avg}  # fmt: skip
    torch.save(plain, tmp_path / "plain.pt")
    kin = store.load(str(tmp_path / "plain.pt"))
    assert kin.origin.is_kin(generator.origin)
    assert store.encoder(store.source(str(tmp_path / "plain.pt")), kin.origin) is None
    assert store.encoder(store.source("mine"), generator.origin) is not None


@pytest.mark.parametrize("change", [{"kind": "psp"}, {"encoder": '{"num_ws": 2000}'}, {"encoder": '{"trunk": "vgg"}'}])
def test_sizes_are_not_believed(e4e, tmp_path, change):
    generator = store.load(str(e4e))
    encoder = encoders.load(e4e, generator)
    encoders.save(encoder, tmp_path / "e.safetensors", {}, torch.float32)
    about, tensors = tensorfile.read(tmp_path / "e.safetensors")
    sizes = json.loads(about["encoder"]) | json.loads(change.get("encoder", '{"width": 32}'))
    tensorfile.save(tensors, tmp_path / "f.safetensors", about | change | {"encoder": json.dumps(sizes)})
    with pytest.raises(StyleganError, match="is not an encoder of this tool"):
        encoders.load(tmp_path / "f.safetensors", generator)


def test_the_guess_is_what_is_found_without_a_search(e4e, tmp_path, stylegan, here):
    """To the bit; in space w, it is the mean of all layers."""
    with torch.no_grad():
        picture = Image.fromarray(np.uint8((photo()[0].permute(1, 2, 0) + 1) * 127.5)).resize((32, 32))
        picture.save(here / "a.png")
        generator = store.load(str(e4e))
        guess = encoders.load(e4e, generator).guess(to_tensor(picture), generator)[0]
    words = ("project", "a.png", "--aligned", "--model", e4e, "--steps", 0, "--precision", "fp32")
    assert stylegan(*words, "-o", "rows.npz").exit_code == 0
    assert stylegan(*words, "--space", "w", "-o", "w.npz").exit_code == 0
    rows, one = (torch.from_numpy(files.read(here / name).array[0]) for name in ("rows.npz", "w.npz"))
    assert torch.allclose(rows, guess, atol=1e-6)
    assert torch.allclose(one, guess.mean(dim=0).expand(LAYERS, -1), atol=1e-6)


def test_a_search_starts_from_the_guess(e4e, stylegan, here):
    Image.fromarray(np.uint8((photo()[0].permute(1, 2, 0) + 1) * 127.5)).save(here / "a.png")
    words = ("project", "a.png", "--aligned", "--model", e4e, "-o")
    for steps in (0, 3):
        assert stylegan(*words, f"{steps}.npz", "--steps", steps).exit_code == 0
    guess, found = (files.read(here / f"{steps}.npz").array[0] for steps in (0, 3))
    assert 0 < np.abs(found - guess).mean() < 0.3 * guess.std()


def test_original_sizes():
    """As many numbers as the projects' own classes have, with 18 heads."""
    sizes = {}
    for trunk, is_pyramid in (("irse50", True), ("irse50", False), ("resnet34", False)):
        encoder = psp.Encoder(psp.Config(18, trunk=trunk, is_pyramid=is_pyramid), "meta")
        sizes[trunk, is_pyramid] = sum(tensor.numel() for tensor in encoder.parameters())
    assert sizes == {("irse50", True): 267136704, ("irse50", False): 205584064, ("resnet34", False): 195918720}
