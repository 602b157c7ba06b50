"""The encoders of pSp, e4e and ReStyle guess what the original code does, from its files, and serve projections."""

import json
from dataclasses import replace

import memory
import numpy as np
import psp_files
import pytest
import torch
from originals import GOLDEN, arrays
from PIL import Image
from psp_files import LAYERS, W_DIM, checkpoint, photo
from small_families import make

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
    found = importers.read(tmp_path / "a.pt").encoder
    assert torch.equal(found.tensors["centre"], tree["latent_avg"].expand(LAYERS, -1))


@pytest.mark.parametrize(
    ("kind", "seen", "options"),
    [
        ("GradualStyleEncoder", 4, {}),  # SAM's is told an age, too
        ("GradualStyleEncoder", 1, {}),  # sketches
        ("BackboneEncoderUsingLastLayerIntoW", 3, {}),
        ("Encoder4Editing", 3, {"dataset_type": "cars_encode"}),  # whose pictures are wide
        ("Encoder4Editing", 3, {"dataset_type": [[[]]]}),
        (None, 3, {}),
    ],
)
def test_other_encoders_are_left_out(tmp_path, kind, seen, options):
    """The generator in their files can be used all the same."""
    path = written(tmp_path / "a.pt", "GradualStyleEncoder", seen, **({"encoder_type": kind} | options))
    generator = store.load(str(path))
    assert generator.num_ws == LAYERS
    assert store.encoder(store.source(str(path)), generator) is None
    with pytest.raises(StyleganError, match="holds no encoder from photos to latents"):
        encoders.load(path, generator)


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
        huge = torch.zeros(1000, 1000)
        state |= {f"encoder.body.{n}.more": huge for n in range(300)}
    elif what == "too wide":
        state["encoder.input_layer.0.weight"] = torch.zeros(4096, 3, 1, 1)
    elif what == "too narrow":
        state["encoder.input_layer.0.weight"] = torch.zeros(8, 3, 3, 3)
        tree["opts"]["start_from_latent_avg"] = False
    elif what == "too many layers":
        state |= {f"encoder.styles.{n}.linear.weight": torch.zeros(1) for n in range(1025)}
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
        ("too many layers", "1025 layers and 16 feature maps, but 1024 are the most"),
        ("too narrow", "its sizes are impossible"),
    ],
)
def test_damaged_ones_are_refused(tmp_path, what, said):
    path = tmp_path / "a.pt"
    torch.save(damaged(checkpoint("Encoder4Editing"), what), path)
    generator = store.load(str(path))  # which can be used all the same
    with memory.at_most(700_000), pytest.raises(StyleganError, match=f"{said}.*use another copy"):
        encoders.load(path, generator)


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


def test_which_one_guesses(e4e, tmp_path, stylegan):
    """That beside the model, if it fits; else that in its file, whatever the file is called."""
    renamed = tmp_path / "a.safetensors"
    renamed.write_bytes(e4e.read_bytes())
    generator, beside = store.load(str(renamed)), tmp_path / "encoder.safetensors"

    def chosen():
        return store.encoder(store.source(str(renamed)), generator)

    assert chosen() == renamed
    encoder = encoders.load(renamed, generator)
    encoders.save(encoder, beside, {})
    assert chosen() == beside
    beside.write_bytes(b"none")
    assert chosen() == renamed
    encoder.origin = store.load("faces-64").origin
    encoders.save(encoder, beside, {})
    assert chosen() == renamed
    assert f"encoder       {renamed}\n" in stylegan("models", "show", renamed).stdout


def test_a_conversion_leaves_it_out(e4e, stylegan, here):
    told = stylegan("models", "convert", e4e, "a.safetensors").stderr
    assert f"The encoder in {e4e} is left out; stylegan models add keeps it." in told
    assert store.encoder(store.source("a.safetensors"), store.load("a.safetensors")) is None


def test_what_was_added_before_is_not_lost(e4e, tmp_path, monkeypatch):
    """If an encoder is refused, or nobody waits for it."""
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    model = store.add(str(e4e), "mine")
    before = {path.name: path.read_bytes() for path in model.folder.iterdir()}
    other = tmp_path / "other.pt"
    torch.save(damaged(checkpoint("GradualStyleEncoder", start_from_latent_avg=False), "not finite"), other)
    (model.folder / "encoder.safetensors").write_bytes(b"another's")
    with pytest.raises(StyleganError, match=r"the encoder in .*other\.pt was refused"):
        store.add(str(other), "mine", force=True)
    with monkeypatch.context() as impatient:
        impatient.setattr(encoders, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.add(str(e4e), "mine", force=True)
    after = {path.name: path.read_bytes() for path in model.folder.iterdir()}
    assert after == before | {"encoder.safetensors": b"another's"}


@torch.no_grad()
def test_a_better_encoder_for_the_same_model_stays(e4e, tmp_path, monkeypatch):
    """Hours went into it."""
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    kept = store.add(str(e4e), "mine").folder / "encoder.safetensors"
    generator = store.load("mine")
    better = encoders.load(kept, generator)
    better.centre.add_(1)
    encoders.save(better, kept, {})
    store.add(str(e4e), "mine", force=True)
    assert torch.equal(encoders.load(kept, generator).centre, better.centre.half().float())
    assert [path.name for path in kept.parent.glob("encoder*")] == ["encoder.safetensors"]
    encoders.save(encoders.load(e4e, generator), tmp_path / "encoder.safetensors", {})
    store.add(str(e4e), "mine", force=True)  # with another beside it
    assert kept.read_bytes() == (tmp_path / "encoder.safetensors").read_bytes()
    assert len(list(kept.parent.glob("encoder-*.safetensors"))) == 1


def test_it_is_no_encoder_of_kin_with_other_layers(e4e, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    store.add(str(e4e), "mine")
    generator = store.load("mine")
    plain = {"g_ema": {n.removeprefix("decoder."): x for n, x in checkpoint("Encoder4Editing")["state_dict"].items()
                       if n.startswith("decoder.")}, "latent_avg": generator.w_avg}  # fmt: skip
    torch.save(plain, tmp_path / "plain.pt")
    kin = store.load(str(tmp_path / "plain.pt"))
    own, source = store.source("mine").encoder, store.source(str(tmp_path / "plain.pt"))
    assert kin.origin.is_kin(generator.origin) and kin.origin.sha256 == generator.origin.sha256
    assert store.encoder(source, kin) == store.encoder(store.source("mine"), generator) == own
    larger = make("stylegan2", resolution=64, channel_max=16, z_dim=W_DIM, w_dim=W_DIM)
    larger.load_state_dict(kin.state_dict(), strict=False)
    larger.origin = replace(kin.origin, sha256="0" * 64, fingerprint=larger.fingerprint())
    assert larger.origin.is_kin(kin.origin)
    assert store.encoder(source, larger) is None
    with pytest.raises(StyleganError, match="with 8 layers, but plain has 10; move it away"):
        encoders.load(own, larger)


@pytest.mark.parametrize("wrong", [{"width": 32}, {"num_ws": 2000}, {"trunk": "vgg"}, {"passes": 4}], ids=str)
def test_sizes_are_not_believed(e4e, tmp_path, wrong):
    generator = store.load(str(e4e))
    encoders.save(encoders.load(e4e, generator), tmp_path / "e.safetensors", {}, torch.float32)
    said, tensors = tensorfile.read(tmp_path / "e.safetensors")
    sizes = json.dumps(json.loads(said["encoder"]) | wrong)
    tensorfile.save(tensors, tmp_path / "f.safetensors", said | {"encoder": sizes})
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
