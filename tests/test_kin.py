"""Models with the same W: people and directions of one are people and directions of the others."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from small_families import make
from test_tuning import make_tuning
from tiny_generator import make_tiny

from stylegan_cli import architectures, encoders, modelfile, store, tuning
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import KIN, Origin
from stylegan_cli.latents import directions, files, people, references
from stylegan_cli.latents.directions import Direction
from stylegan_cli.media.encode import encode
from stylegan_cli.media.render import render, to_tensor
from stylegan_cli.operations.surgery import swap_layers
from stylegan_cli.recipes import Recipe, dumps


def named(generator, name, digit):
    generator.origin = Origin(name, digit * 64, fingerprint=generator.fingerprint())
    return generator


@pytest.fixture
def parent():
    return named(make_tiny(), "parent", "1")


@pytest.fixture
def child(parent):
    """As `models blend` makes it: the parent's mapping and low resolutions, another's high ones."""
    both = make_tiny(1)
    both.load_state_dict(swap_layers(parent, make_tiny(1), 32))
    return named(both, "child", "2")


@pytest.fixture
def stranger():
    return named(make_tiny(1), "stranger", "3")


@pytest.fixture
def lower(parent):
    """The parent's mapping before another network, with other layers."""
    state = {name: tensor for name, tensor in parent.state_dict().items() if name.startswith("map.")}
    other = architectures.build("mobilestylegan", {**vars(parent.config), "channels": (16, 16, 16)}, "cpu")
    other.load_state_dict(state | {"w_avg": parent.w_avg}, strict=False)
    return named(other.requires_grad_(False), "lower", "4")


def test_who_is_kin(parent, child, stranger, lower):
    for one in (child, lower):
        assert one.origin.is_kin(parent.origin) and parent.origin.is_kin(one.origin)
    assert not stranger.origin.is_kin(parent.origin)
    assert not Origin("old", "5" * 64).is_kin(parent.origin)  # a file that does not say
    assert not Origin().is_kin(Origin())


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2", "stylegan3"])
@pytest.mark.parametrize("classes", [{}, {"c_dim": 3}])
def test_rounding_and_some_training_leave_kin(family, classes):
    generator = named(make(family, **classes), "a", "1")
    trained = make(family, **classes)
    for tensor in trained.parameters():
        tensor += 0.03 * tensor.std(correction=0) * torch.randn_like(tensor)
    for other in (trained, make(family, **classes).half().float()):
        assert generator.origin.is_kin(named(other, "b", "2").origin)
    assert not generator.origin.is_kin(named(make(family, seed=1, **classes), "c", "3").origin)


def test_unrelated_models_are_far_from_kin():
    """Twenty random networks: the cosines between their fingerprints stay far below the limit."""
    marks = [np.frombuffer(make("stylegan2", seed, z_dim=64, w_dim=64).fingerprint(), np.int8) for seed in range(20)]
    units = np.array([mark / np.linalg.norm(mark.astype(float)) for mark in marks])
    assert np.abs(units @ units.T - np.eye(20)).max() < KIN - 0.15


def test_broken_weights_have_a_fingerprint(parent):
    parent.w_avg.fill_(torch.nan)
    assert parent.fingerprint() == bytes(128)
    assert not named(parent, "a", "5").origin.is_kin(Origin("b", "6" * 64, fingerprint=bytes(128)))


def saved(generator, path, **more):
    """A person of this generator, as `--save-latents` writes them."""
    someone = people.from_seed(generator, 1, 0.7)
    about = {"model": generator.origin.to_plain()}
    files.write_npz(path, someone.ws[None].numpy(), about, someone.z.numpy(), someone.psi, **more)
    return someone


def test_latents_of_kin(parent, child, stranger, here):
    someone = saved(parent, here / "a.npz")
    again = references.resolve("a.npz", child, 1, {})
    assert torch.equal(again.ws, someone.ws)
    assert again.z is None  # which the child's mapping takes to another place
    assert torch.equal(references.resolve("a.npz", parent, 1, {}).z, someone.z)
    with pytest.raises(StyleganError, match=r"a\.npz was saved from the model parent .* but this is stranger"):
        references.resolve("a.npz", stranger, 1, {})


def test_tunings_of_kin(parent, child, lower, here):
    """They fit a network with the same tensors; in one with other layers the person has none."""
    tuned = tuning.whole(make_tuning(parent), parent.num_ws)
    someone = saved(parent, here / "a.npz", tuned=[tuned])
    drawn = render(parent, someone.face())
    picture = Recipe(someone.face(), "parent", "1" * 64, "fp32", "cpu", fingerprint=parent.origin.fingerprint.hex())
    (here / "b.png").write_bytes(encode(drawn, "png", dumps(picture)))
    (own,) = references.from_file(here / "a.npz", child)
    assert [term.shares for term in own.tuned] == [term.shares for term in tuned]
    assert render(child, own.face()) != render(child, people.from_seed(child, 1, 0.7).face())
    for name in ("a.npz", "b.png"):
        (bare,) = references.from_file(here / name, lower)
        assert bare.tuned == ()
        assert torch.equal(bare.ws, someone.ws[: lower.num_ws])


def test_pictures_of_kin(parent, child, stranger, here):
    someone = people.from_seed(parent, 1, 0.7)
    recipe = Recipe(someone.face(), "parent", "1" * 64, "fp32", "cpu", fingerprint=parent.origin.fingerprint.hex())
    (here / "a.png").write_bytes(encode(render(parent, someone.face()), "png", dumps(recipe)))
    assert torch.equal(references.resolve("a.png", child, 1, {}).ws, someone.ws)
    with pytest.raises(StyleganError, match=r"a\.png was made with the model parent .* but this is stranger"):
        references.resolve("a.png", stranger, 1, {})
    with pytest.raises(StyleganError, match="but this is child"):  # the picture itself is the parent's alone
        recipe.check_model(child, "a.png")


def test_directions_of_kin(parent, child, lower, stranger, here):
    vector = torch.randn(parent.w_dim).expand(parent.num_ws, -1)
    directions.write(here / "age.npz", Direction("age", vector), parent.origin)
    for one in (child, lower):
        assert torch.equal(directions.read(here / "age.npz", one).vector, vector[: one.num_ws])
    with pytest.raises(StyleganError, match="a direction of the model parent"):
        directions.read(here / "age.npz", stranger)


@pytest.fixture(scope="module")
def teacher(ffhq, tmp_path_factory):
    """The file of a StyleGAN2 with the default model's mapping, as its teacher has it."""
    config = {"resolution": 16, "z_dim": 512, "w_dim": 512, "mapping_layers": 8, "channel_base": 128, "channel_max": 8}
    torch.manual_seed(0)
    generator = architectures.build("stylegan2", config, "cpu").requires_grad_(False)
    for i, layer in enumerate(ffhq.map.layers):
        own = getattr(generator.mapping, f"fc{i}")
        own.weight.copy_(layer.weight * 512**0.5 / own.lr)
        own.bias.copy_(layer.bias / own.lr)
    generator.w_avg.copy_(ffhq.w_avg)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    modelfile.save(generator, path, {})
    return path


def test_the_default_models_cast_and_directions_are_its_teachers(teacher, stylegan):
    result = stylegan("edit", "jon", "--age", 3, "--model", teacher, "--save-latents", "--out", "a.png")
    assert result.exit_code == 0, result.stderr
    assert stylegan("edit", "jon", "--age", 3, "--save-latents", "--out", "b.png").exit_code == 0
    theirs, ours = (files.read(Path(name)).array for name in ("a.npz", "b.npz"))
    assert theirs.shape == (1, 6, 512)
    assert np.array_equal(theirs[0, [0, -1]], ours[0, [0, -1]])  # coarse layers, which age does not move, and fine ones
    assert "age\thow old" in stylegan("directions", "list", "--model", teacher).stdout
    assert "jon" in stylegan("models", "show", teacher).stdout
    assert stylegan("edit", "jon", "--age", 3, "--model", "faces-64").exit_code == 2


def test_the_default_models_encoder_guesses_for_its_teacher(teacher, faces, stylegan, here):
    faces["baby"].save(here / "baby.png")
    words = ("project", "baby.png", "--aligned", "--space", "w", "--steps", 0, "--model", teacher)
    assert stylegan(*words).exit_code == 0
    generator = store.load(str(teacher))
    path = store.encoder(store.source(str(teacher)), generator)
    assert path == store.source("ffhq").encoder
    assert f"encoder       {path}\n" in stylegan("models", "show", teacher).stdout
    photo = faces["baby"].resize((16, 16), Image.Resampling.LANCZOS)
    guess = encoders.load(path, generator).guess(to_tensor(photo), generator)
    found = torch.from_numpy(files.read(here / "baby.npz").array[0])
    assert torch.allclose(found, guess.expand(6, -1), atol=0.01)


def test_whose_encoder_guesses(tiny_model, monkeypatch, tmp_path):
    """The model's own, if it is for this W, else that of kin; a damaged one is not passed over."""
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    store.add(str(tiny_model), "base")
    origin, path, own = store.load("base").origin, tmp_path / "half.safetensors", tmp_path / "encoder.safetensors"
    modelfile.save(store.load("base"), path, {}, torch.float16)
    rounded = store.load(str(path))
    half = rounded.origin

    def put(file, model):
        save_file({"x": torch.zeros(1)}, file, {"model": json.dumps(model.to_plain())})

    assert store.encoder(store.source(str(path)), rounded) is None
    theirs = store.source("base").path.with_name("encoder.safetensors")
    put(theirs, origin)
    assert half.sha256 != origin.sha256 and store.encoder(store.source(str(path)), rounded) == theirs
    put(own, Origin("older", "0" * 64))
    assert store.encoder(store.source(str(path)), rounded) == theirs
    for model in (half, origin):
        put(own, model)
        assert store.encoder(store.source(str(path)), rounded) == own
    assert store.add(str(path), "rounded").folder.joinpath(own.name).read_bytes() == own.read_bytes()
    store.remove("rounded")
    own.write_bytes(b"none")
    assert store.encoder(store.source(str(path)), rounded) == own
    put(own, Origin("older", "0" * 64))
    assert store.encoder(store.source(str(path)), named(make_tiny(1), "stranger", "3")) is None


def test_added_models_lend_theirs(tiny_model, stylegan, monkeypatch, tmp_path, here):
    """A damaged one among them has no part in it."""
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    assert stylegan("models", "add", tiny_model, "--name", "base").exit_code == 0
    origin = store.load("base").origin
    vector = torch.full((13, 16), 0.1)
    directions.write(store.source("base").own_directions / "age.npz", Direction("age", vector), origin)
    assert stylegan("models", "convert", "base", "half.safetensors", "--half").exit_code == 0
    (tmp_path / "data/models/broken").mkdir()
    (tmp_path / "data/models/broken/model.json").write_text(
        json.dumps({"title": "", "licence": "", "fingerprint": "x"})
    )
    assert "age\t" in stylegan("directions", "list", "--model", "half.safetensors").stdout
    assert stylegan("edit", 1, "--age", 1, "--model", "half.safetensors").exit_code == 0
