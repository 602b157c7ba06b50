"""`stylegan directions` on the tiny model, with scorers made up: how bright and how red a picture is."""

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import pixels, size_of
from PIL import Image
from typer.testing import CliRunner

from stylegan_cli import recipes, store
from stylegan_cli.cli import finding, price
from stylegan_cli.cli.app import app
from stylegan_cli.cli.commands import directions as commands
from stylegan_cli.errors import UsageError
from stylegan_cli.latents import directions
from stylegan_cli.latents.directions import Direction
from stylegan_cli.operations import drift
from stylegan_cli.scorers import runtime


def look(image):
    red, green, blue = np.asarray(image, float).mean(axis=(0, 1))
    return {"light": red + green + blue, "red": red - (green + blue) / 2}


class Scorers:
    """In place of the scorers: how bright and how red pictures are. It knows how many it has seen, and can be stopped
    by the next."""

    def __init__(self):
        self.seen, self.stops_at = 0, None
        self.names, self.versions = ("light", "red"), ["made up"]

    def __call__(self, image):
        if self.seen == self.stops_at:
            raise KeyboardInterrupt
        self.seen += 1
        return look(image)


@pytest.fixture
def scorers(monkeypatch, tmp_path):
    def check_scorers(names):
        if wrong := set(names) - {"light", "red"}:
            raise UsageError(f"there is no score {wrong.pop()!r}")

    monkeypatch.setattr(finding, "check_scorers", check_scorers)
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "cache"))
    scorers = Scorers()
    monkeypatch.setattr(price, "open_scorers", lambda _generator: scorers)
    return scorers


@pytest.fixture
def own_folder(tiny_model, here, monkeypatch):
    """Where the user's own directions of the tiny model go."""
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    return store.source(str(tiny_model)).own_directions


@pytest.fixture
def found(stylegan, tiny_model, scorers, own_folder):
    """`directions find` with few people; must end well."""

    def run(*words):
        if "--with" not in words and "--count" not in words:
            words = [*words, "--count", 200]
        words = ["--amount", 0.5, "--people", 8, *words, "--model", tiny_model]
        result = stylegan("directions", "find", *words)
        assert result.exit_code == 0, result.stderr
        return [Path(line) for line in result.stdout.splitlines()], result.stderr

    return run


# As few people as can be are enough where it does not matter how good a direction is.
ANYHOW = ("--count", 100)


@pytest.fixture
def generator(tiny_model):
    return store.load(str(tiny_model))


def test_find_by_scorers(found, own_folder, generator, tiny_stylegan):
    paths, told = found("--scorer", "light,red", "--keep", "light,red", "--psi", 0.5)
    assert paths == [own_folder / "light.npz", own_folder / "red.npz"]
    light, red = (directions.read(path, generator) for path in paths)
    assert (light.found["kept"], red.found["kept"], light.found["people"]) == (["red"], ["light"], 200)
    assert light.found["command"].startswith("stylegan directions find --amount 0.5")
    assert light.vector[0].norm() == pytest.approx(1)
    for direction, other in ((light, "red"), (red, "light")):
        moved = direction.scores["ahead"]
        assert moved[direction.name] > 0.2
        assert abs(moved[other]) < moved[direction.name]
        assert 0 <= direction.scores["accuracy"] <= 1
        assert f"{moved[other]:+.2f}" in told
    # What was found is at hand by its name.
    tiny_stylegan("edit", 1, "--direction", "light=3", "--steps", 2, "--keep", "red", "--size", 16, "-q")
    dark, bright = recipes.read(Path("edit.png")).picture.rows[0]
    assert torch.allclose(bright.ws - dark.ws, (bright.ws - dark.ws)[:1].expand(13, -1), atol=1e-5)


def test_who_is_named_twice_is_found_once(found, own_folder):
    paths, told = found("--scorer", "red,red", "--keep", "light,light", *ANYHOW)
    assert paths == [own_folder / "red.npz"]
    assert told.count("red +0.5") == 1


def test_nobody_is_scored_twice(found, scorers):
    found("--scorer", "red", *ANYHOW)
    assert scorers.seen == 100 + 8 * 3
    scorers.seen = 0
    found("--scorer", "light", *ANYHOW)
    assert scorers.seen == 8 * 2


def test_what_was_scored_before_an_interruption_is_kept(found, scorers, stylegan, tiny_model, own_folder):
    words = ("--scorer", "red", *ANYHOW)
    scorers.stops_at = 60
    stopped = stylegan("directions", "find", *words, "--model", tiny_model)
    assert (stopped.exit_code, "the same command goes on" in stopped.stderr) == (130, True)
    scorers.stops_at = None
    found(*words)
    assert scorers.seen == 100 + 8 * 3


def test_the_walk_goes_where_the_table_says(found, tiny_stylegan, own_folder):
    found("--scorer", "light")
    tiny_stylegan("edit", "1-9", "--direction", "light=3", "--out", "up", "--size", 16, "-q")
    tiny_stylegan("edit", "1-9", "--direction", "light=-3", "--out", "down", "--size", 16, "-q")
    up, down = (
        np.mean([look(Image.open(path))["light"] for path in Path(folder).glob("*.png")]) for folder in ("up", "down")
    )
    assert up > down


def test_the_table_has_room_for_scores_that_one_direction_was_not_seen_by(capsys):
    everywhere = torch.zeros(1, 2)
    quality = {"accuracy": 0.9, "R squared": 0.5}
    sides = [{"age": 1.0, "smile": 0.5}, {"smile": 0.25}]
    both = [Direction("one", everywhere, scores=quality | {"ahead": side, "behind": side}) for side in sides]
    finding.report(both, 2)
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["one: accuracy 0.90, R squared 0.50."] * 2
    told = told[3:]
    assert [line.split()[-4:] for line in told[1:]] == [
        ["+1.00", "-1.00", "-", "-"],
        ["+0.50", "-0.50", "+0.25", "-0.25"],
    ]
    assert told[0].split() == ["one", "+2", "one", "-2", "one", "+2", "one", "-2"]
    assert {len(line) for line in told} == {len(told[0])}


@pytest.mark.filterwarnings("error")
def test_scores_that_hardly_anybody_has_are_not_measured():
    """As of hair, where no picture shows it."""
    scores = {"hair": [np.nan, np.nan], "light": [np.nan, 1], "jaw": [2, 2], "age": [np.nan, 30, 50]}
    units = finding.units({name: torch.tensor(values, dtype=torch.float32) for name, values in scores.items()})
    assert units == {"age": pytest.approx(200**0.5)}


@pytest.mark.parametrize(("explained", "is_told"), [(-0.3, True), (0.0, True), (0.1, False)])
def test_what_was_learned_from_chance_is_told(capsys, explained, is_told):
    scores = {"accuracy": 0.5, "R squared": explained, "ahead": {"age": 0.1}, "behind": {"age": 0.1}}
    finding.report([Direction("one", torch.zeros(1, 2), scores=scores)], 2)
    assert ("one was learned from chance alone" in capsys.readouterr().err) is is_told


def test_find_in_a_data_set_draws_nothing_twice(found, tiny_stylegan, generator):
    tiny_stylegan("sample", "-n", 200, "--dataset", "faces.zip", "--psi", 0.7)
    fresh = found("--scorer", "red", "--out", "fresh.npz")[0][0]
    stored = found("--scorer", "red", "--out", "stored.npz", "--data", "faces.zip")[0][0]
    one, other = (directions.read(path, generator).vector[0] for path in (fresh, stored))
    assert torch.nn.functional.cosine_similarity(one, other, dim=0) > 0.99


@pytest.fixture(scope="module")
def data_set(tmp_path_factory, tiny_model):
    """200 faces of the tiny model, and how bright each is; drawn once for all tests."""
    folder = tmp_path_factory.mktemp("sampled") / "faces"
    words = ["sample", "-n", "200", "--dataset", str(folder), "--psi", "0.7", "--model", str(tiny_model)]
    assert CliRunner().invoke(app, words).exit_code == 0
    paths = sorted(folder.glob("*/*.png"))
    assert len(paths) == 200
    return folder, np.array([look(Image.open(path))["light"] for path in paths])


@pytest.fixture
def sampled(data_set, here):
    """The same in the current folder; how bright each is."""
    folder, light = data_set
    shutil.copytree(folder, here / "faces")
    return light.copy()


# Neither asks what the other is.
@pytest.mark.parametrize(
    ("data", "shape"),
    [("faces", (200,)), ("faces/w.npy", (200, 1)), ("w.npz", (1, 200)), ("other-w.npy", (200,))],
    ids=["set", "npy", "npz", "another model's layers"],
)
def test_find_by_ones_own_scores(found, sampled, generator, data, shape):
    """What somebody else's network says is found as well as what the tool's scorers say; every third is not known."""
    np.savez("w.npz", w=np.load("faces/w.npy"))
    np.save("other-w.npy", np.load("faces/w.npy").repeat(18, axis=1))  # as NVIDIA's tools write a w
    known = np.where(np.arange(200) % 3, sampled, np.nan)
    np.save("bright.npy", known.reshape(shape).astype(np.float32))
    (path,), told = found("--scores", "bright.npy", "--data", data, "--keep", "red", "--out", "own.npz")
    direction = directions.read(path, generator)
    assert (direction.name, direction.title, direction.found["people"]) == ("bright", "found from examples", 200)
    assert direction.found["kept"] == ["red"]
    moved = direction.scores["ahead"]
    assert moved["light"] > 0.2
    assert abs(moved["red"]) < moved["light"]
    assert "bright +0.5" in told
    (path,), _ = found("--scorer", "light", "--data", "faces", "--keep", "red", "--out", "light.npz")
    theirs = directions.read(path, generator)
    assert torch.nn.functional.cosine_similarity(direction.vector[0], theirs.vector[0], dim=0) > 0.9


def test_ones_own_scores_are_not_taken_for_the_scorers_of_the_same_name(found, sampled, generator):
    """What is called light here is darkness: the tool's light is measured and kept all the same."""
    noise = np.random.default_rng(0).normal(size=200) * sampled.std()
    for name in ("light", "gloom"):
        np.save(f"{name}.npy", -sampled + noise)
    vectors = []
    for name in ("light", "gloom"):
        words = ("--scores", f"{name}.npy", "--data", "faces", "--keep", "light,red")
        (path,), _ = found(*words, "--out", f"{name}.npz")
        direction = directions.read(path, generator)
        assert direction.title == "found from examples"
        assert direction.found["kept"] == ["light", "red"]
        assert {"light", "red"} <= set(direction.scores["ahead"])
        vectors.append(direction.vector[0])
    assert torch.equal(*vectors)


def test_as_many_as_counted_are_learned_from(found, sampled, generator):
    np.save("bright.npy", sampled)
    words = ("--scores", "bright.npy", "--data", "faces", "--name", "sun", "--out", "sun.npz")
    for count in (150, 5000):
        (path,), _ = found(*words, "--count", count, "--force")
        direction = directions.read(path, generator)
        assert (direction.name, direction.found["people"]) == ("sun", min(count, 200))


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (np.zeros(199), "has shape [199] (float64), but there are 200 people; give a number for each"),
        (np.zeros((100, 2)), "has shape [100, 2]"),
        (np.zeros(200, complex), "has shape [200] (complex128)"),
        (np.array(["x"] * 200), "has shape [200] (<U1)"),
        (np.zeros(200), "has 200 scores in these samples, but all of them are the same"),
        (np.full(200, np.nan), "has 0 scores in these samples, too few to learn from"),
        (np.array([object()] * 200), "cannot be read as scores"),
        (np.arange(200.0) * 1e305, "own.npy holds infinite numbers, or some beyond 1e38; where none is known"),
        (np.array([np.inf] * 9 + [0] * 191), "own.npy holds infinite numbers"),
        (np.arange(200.0) * 1e-200, "all of them are the same"),
    ],
)
def test_scores_that_cannot_be_learned_from(stylegan, tiny_model, sampled, scorers, scores, said):
    np.save("own.npy", scores)
    words = ("--scores", "own.npy", "--data", "faces", "--out", "x.npz", "--people", 2, "--model", tiny_model)
    result = stylegan("directions", "find", *words)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert said in result.stderr
    assert not Path("x.npz").exists()


def test_several_arrays_are_no_scores(stylegan, tiny_model, sampled, scorers):
    np.savez("own.npz", sampled)
    words = ("--scores", "own.npz", "--data", "faces", "--out", "x.npz", "--model", tiny_model)
    result = stylegan("directions", "find", *words)
    assert result.stderr == "Error: own.npz is a .npz, not a .npy; save the one array that is meant as .npy.\n"


def test_latents_whose_layers_differ_are_no_sample(stylegan, tiny_model, tiny, scorers, here):
    np.save(here / "w.npy", np.eye(20, tiny.num_ws, dtype=np.float32)[..., None].repeat(tiny.w_dim, 2))
    np.save(here / "own.npy", np.arange(20.0))
    words = ("--scores", "own.npy", "--data", "w.npy", "--out", "x.npz", "--model", tiny_model)
    result = stylegan("directions", "find", *words)
    assert result.exit_code == 1
    assert "the layers of the people in w.npy differ" in result.stderr


def test_saved_latents_are_a_sample_of_their_own_model_only(found, stylegan, tiny_stylegan, tiny_model):
    tiny_stylegan("sample", "--seeds", "0-39", "--grid", "--save-latents", "--out", "sheet.png")
    np.save("own.npy", np.arange(40.0))
    words = ("--scores", "own.npy", "--data", "sheet.npz", "--out", "x.npz")
    found(*words)
    result = stylegan("directions", "find", *words, "--force", "--model", "faces-64")
    assert result.exit_code == 1
    assert "sheet.npz was saved from the model tiny" in result.stderr


def test_small_models_are_not_scored(stylegan, scorers):
    """Nobody could say what their faces show; `edit` refuses, too."""
    result = stylegan("directions", "find", "--scorer", "red", "--model", "faces-64")
    assert result.exit_code == 2
    assert "scorers need faces of 128 pixels, but those of faces-64 have 64" in result.stderr


def test_people_in_small_pictures_are_drawn_again(found, tiny_stylegan, generator):
    tiny_stylegan("sample", "-n", 100, "--dataset", "faces.zip", "--size", 64)
    vectors = []
    for people in ("faces.zip", "faces-w.npy"):
        (path,), _ = found("--scorer", "red", *ANYHOW, "--data", people, "--out", "x.npz", "--force")
        vectors.append(directions.read(path, generator).vector)
    assert torch.equal(*vectors)


def test_nobody_is_measured_on_who_was_learned_from(found, sampled, monkeypatch):
    """Not even if the people of --data are more than are sampled by default."""
    np.save("own.npy", sampled)
    seen, of_seeds = [], finding.of_seeds
    monkeypatch.setattr(finding, "of_seeds", lambda studio, seeds: seen.append(seeds) or of_seeds(studio, seeds))
    monkeypatch.setattr(commands, "PEOPLE", 100)
    found("--scores", "own.npy", "--data", "faces", "--count", 200, "--seed", 5, "--out", "x.npz")
    assert seen == [range(205, 213)]


def test_scores_that_only_measure_are_of_enough_people(found, sampled, monkeypatch):
    seen, scored = [], finding.scored
    monkeypatch.setattr(finding, "scored", lambda sample, score: seen.append(len(sample.w)) or scored(sample, score))
    monkeypatch.setattr(finding, "ENOUGH", 50)
    np.save("own.npy", sampled)
    for words in (("--scores", "own.npy"), ("--scores", "own.npy", "--keep", "red"), ("--scorer", "red")):
        found(*words, "--data", "faces", "--out", "x.npz", "--force")
    assert seen == [50, 200, 200]


@pytest.mark.parametrize("kept", [(), ("--keep", "red"), ("--keep", "red,light")])
def test_it_is_known_how_much_there_is_to_measure(found, monkeypatch, kept):
    bars = {}

    @contextmanager
    def counting(what, total, *_):
        bars[what] = [total, 0]

        def advance(*_):
            bars[what][1] += 1

        yield advance

    monkeypatch.setattr(finding, "progress", counting)
    found("--scorer", "red,light", *kept, "--rounds", 2, "--out", "both", *ANYHOW)
    assert bars["measuring"][0] == bars["measuring"][1] > 0


def test_a_direction_that_hides_the_models_own_is_told(here, monkeypatch, capsys):
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    folder = store.source("ffhq").own_directions
    finding.tell_of_hidden("ffhq", [folder / "age.npz", folder / "mine.npz", here / "age.npz"])
    finding.tell_of_hidden("faces-64", [here / "age.npz"])
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("From now on, edits by age take this direction, and not the one that comes with ffhq")
    assert told.endswith(f"remove {folder / 'age.npz'}.")


def test_layers_are_measured_and_stored(found, generator):
    (path,), _ = found("--scorer", "red", "--layers", "coarse", "--out", "r.npz", *ANYHOW)
    direction = directions.read(path, generator)
    assert direction.layers == "coarse"
    assert direction.space == "W"
    (path,), _ = found("--scorer", "red", "--out", "all.NPZ", *ANYHOW)
    assert directions.read(path, generator).scores["ahead"] != direction.scores["ahead"]


@pytest.mark.parametrize("kind", ["latents", "pictures"])
def test_find_between_two_folders(found, tiny_stylegan, generator, kind):
    """The lighter half of some people, and the darker one."""
    tiny_stylegan("sample", "--seeds", "0-79", "--size", 128, "--out", "faces", "--save-latents")
    paths = sorted(Path("faces").glob("*.png"), key=lambda path: look(Image.open(path))["light"])
    for i, path in enumerate(paths):
        side = Path("bright" if i >= 40 else "dark")
        side.mkdir(exist_ok=True)
        source = path if kind == "pictures" else path.with_suffix(".npz")
        source.rename(side / source.name)
    (path,), _ = found(
        "--with", "bright", "--without", "dark", "--name", "brightness", "--keep", "red", "--out", "b.npz"
    )
    direction = directions.read(path, generator)
    assert direction.name == "brightness"
    assert direction.scores["ahead"]["light"] > 0.2
    assert abs(direction.scores["ahead"]["red"]) < direction.scores["ahead"]["light"]


def test_two_folders_need_no_scorers(stylegan, tiny_model, tiny_stylegan, generator, monkeypatch):
    monkeypatch.setattr(price, "installed", lambda: False)
    for folder, seeds in (("a", "0-19"), ("b", "20-39")):
        tiny_stylegan("sample", "--seeds", seeds, "--size", 8, "--out", folder)
    words = ["--with", "a", "--without", "b", "--name", "seed", "--out", "seed.npz", "--model", tiny_model]
    result = stylegan("directions", "find", *words)
    assert (result.exit_code, result.stdout) == (0, "seed.npz\n")
    assert directions.read(Path("seed.npz"), generator).scores.keys() == {"accuracy", "R squared"}


@pytest.fixture
def fetched(monkeypatch):
    """What was fetched, with scorers that seem to be installed."""
    assets = []
    monkeypatch.setattr(price, "installed", lambda: True)
    monkeypatch.setattr(runtime, "installed", lambda: True)
    monkeypatch.setattr(price, "fetch", lambda some: assets.extend(some))
    return assets


def test_faces_too_small_for_scorers_have_none_fetched(stylegan, fetched, here):
    """And the report and the file say nothing of what they would have measured."""
    small = store.load("faces-64")
    with torch.inference_mode():
        w = small.to_w(torch.randn(100, small.z_dim, generator=torch.Generator().manual_seed(0))).numpy()
    np.save(here / "w.npy", w)
    np.save(here / "own.npy", w[:, 0])
    learned = ("--scores", "own.npy", "--data", "w.npy", "--out", "own.npz", "--model", "faces-64")
    result = stylegan("directions", "find", *learned)
    assert (result.exit_code, fetched) == (0, []), result.stderr
    quality, unknown = result.stderr.splitlines()[:2]
    assert re.fullmatch(r"own: accuracy \d\.\d\d, R squared -?\d\.\d\d\.", quality)
    assert unknown.startswith("What moving by 3 changes could not be measured: ")
    shown = stylegan("directions", "show", "own.npz", "--on", 1, "--steps", 2, "--model", "faces-64").stderr
    assert "R squared: " in shown
    assert not any(f"{part}:" in shown for part in ("amount", "ahead", "behind"))


def test_scorers_are_fetched_only_for_people_that_can_be_learned_from(stylegan, tiny_model, tiny, fetched, here):
    np.save(here / "w.npy", np.zeros((20, tiny.w_dim), np.float32))
    np.save(here / "own.npy", np.arange(19.0))
    words = ("--scores", "own.npy", "--data", "w.npy", "--keep", "age", "--out", "x.npz", "--model", tiny_model)
    result = stylegan("directions", "find", *words)
    assert (result.exit_code, fetched) == (1, [])
    assert "there are 20 people; give a number for each" in result.stderr


def test_two_folders_of_too_few(stylegan, tiny_model, tiny_stylegan, scorers):
    for folder, seeds in (("a", "0-2"), ("b", "3-8")):
        tiny_stylegan("sample", "--seeds", seeds, "--size", 8, "--out", folder)
    result = stylegan("directions", "find", "--with", "a", "--without", "b", "--out", "x.npz", "--model", tiny_model)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: a and b together hold 9 people, too few to learn from; use at least 10, and "
    )


def test_photos_must_be_projected_first(stylegan, tiny_model, scorers, here):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        Image.new("RGB", (64, 64)).save(here / folder / "me.jpg")
    result = stylegan("directions", "find", "--with", "a", "--without", "b", "--out", "x.npz", "--model", tiny_model)
    assert result.exit_code == 1
    assert result.stderr == "Error: a/me.jpg is a photo without known latents; use 'stylegan project' on it first.\n"


NO_NAMES = ("", "..", "../x", "a/b", "a\\b", "a,b", "a=1", "smile.pt", "a\tb", "-a")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to find"),
        (["--scorer", "red", "--with", "a", "--without", "b"], "say what to find"),
        (["--with", "a"], "say what to find"),
        (["--scores", __file__, "--scorer", "red", "--data", __file__], "say what to find"),
        (["--scores", __file__], "--scores needs --data: the people whom the scores are of"),
        (["--scores", "/dev/null", "--data", __file__, "--name", "a,b"], "cannot be a direction's name"),
        (["--with", "a", "--without", "b"], "there is no folder a"),
        (["--with", "a", "--without", "b", "--count", 200], "leave out --count"),
        (["--scorer", "beauty"], "there is no score 'beauty'"),
        (["--scorer", "red", "--keep", "beauty"], "there is no score 'beauty'"),
        (["--scorer", "red,light", "--name", "x"], "--name is for one direction"),
        (["--scorer", "red,light", "--out", "x.npz"], "--out x.npz is one file"),
        (
            ["--scorer", "red", "--out", "x.png"],
            "x.png: directions are .npz files; for a folder of this name, use x.png/",
        ),
        (["--scorer", "red", "--cutoff", 3], "leave out --cutoff"),
        (["--scorer", "red", "--new-center", 3], "leave out --new-center"),
        (["--scorer", "red", "--layers", "nose"], "there is no band or layer 'nose'"),
        (["--scorer", "red", "--layers", "none"], "--layers none leaves nothing to move"),
        (["--scorer", ""], "--scorer '' names nothing to find; use age"),
        (["--scorer", " , "], "names nothing to find; use age"),
        *((["--scorer", "red", "--name", name], "cannot be a direction's name") for name in NO_NAMES),
    ],
)
def test_mistakes(stylegan, tiny_model, scorers, own_folder, words, said):
    result = stylegan("directions", "find", *words, "--model", tiny_model)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_scores_in_a_file_that_cannot_name_a_direction_need_a_name(stylegan, here):
    np.save("my scores.npy", np.zeros(9))
    result = stylegan("directions", "find", "--scores", "my scores.npy", "--data", "my scores.npy")
    said = "'my scores' cannot be a direction's name; give --name letters, digits, - and _"
    assert (result.exit_code, result.stderr) == (2, f"Error: {said}.\n")


def test_nothing_is_replaced_without_force(found, stylegan, tiny_model, own_folder):
    found("--scorer", "red", *ANYHOW)
    again = stylegan("directions", "find", "--scorer", "red", "--model", tiny_model)
    assert again.exit_code == 1
    assert "--force" in again.stderr
    found("--scorer", "red", "--force", *ANYHOW)


def test_list_and_show(found, stylegan, tiny_model):
    found("--scorer", "red", "--keep", "light", *ANYHOW)
    assert stylegan("directions", "list", "--model", tiny_model).stdout == "red\tfound from examples\n"
    result = stylegan("directions", "show", "red", "--on", "1,2", "--steps", 3, "--size", 16, "--model", tiny_model)
    assert result.stdout == "red.png\n"
    assert "kept: light" in result.stderr
    moved = [f"moving by {by} changes, in standard deviations: light " for by in ("+0.5", "-0.5")]
    assert all(line in result.stderr for line in moved) and "ahead" not in result.stderr
    assert "amounts are lengths in W: 1 is visible, 3 is a lot\n" in result.stderr
    rows = recipes.read(Path("red.png")).picture.rows
    assert [cell.caption for cell in rows[1]] == ["red -3", "red 0", "red +3"]


def test_a_direction_is_not_taken_for_latents(stylegan, tiny_model, tiny, here):
    origin = store.load(str(tiny_model)).origin
    directions.write(here / "f.npz", Direction("f", torch.ones(tiny.num_ws, tiny.w_dim)), origin)
    result = stylegan("show", "f.npz")
    told = "Error: f.npz holds a direction, not latents; 'stylegan directions show f.npz' tells about it, and "
    assert (result.exit_code, result.stderr.startswith(told)) == (1, True), result.stderr


def test_a_name_in_a_file_is_no_path(stylegan, tiny_model, tiny, here):
    origin = store.load(str(tiny_model)).origin
    directions.write(here / "theirs.npz", Direction("../out", torch.ones(tiny.num_ws, tiny.w_dim)), origin)
    words = ("--on", 1, "--steps", 2, "--size", 16, "--model", tiny_model)
    assert stylegan("directions", "show", "theirs.npz", *words).stdout == "theirs.png\n"
    assert not (here.parent / "out.png").exists()


def test_one_of_several_in_a_file_has_its_own_sheet(stylegan, tiny_model, tiny, here):
    np.save(here / "rows.npy", np.eye(3, tiny.w_dim))
    words = ("--on", 1, "--steps", 2, "--size", 16, "--model", tiny_model)
    assert stylegan("directions", "show", "rows.npy#2", *words).stdout == "rows#2.png\n"


def test_the_list_goes_on_after_a_broken_file(found, own_folder, stylegan, tiny_model):
    found("--scorer", "red", *ANYHOW)
    (own_folder / "bad.npz").write_bytes(b"PK")
    result = stylegan("directions", "list", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (0, "red\tfound from examples\n")
    assert "bad.npz cannot be read as a direction" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_discover(tiny_stylegan, generator, tiny_model, stylegan, method):
    words = ["--method", method, "-n", 3, "--layers", "coarse", "--steps", 3, "--size", 64]
    made = tiny_stylegan("directions", "discover", *words)
    assert made == [Path(method) / name for name in (*(f"{method}-{i}.npz" for i in range(3)), "sheet.png")]
    assert size_of(made[-1])[0] == 3 * 64 + 2 * 4
    direction = directions.read(made[1], generator)
    assert (direction.name, direction.layers, direction.space) == (f"{method}-1", "coarse", "W")
    assert json.dumps(direction.found["method"]) == f'"{method}"'
    rows = recipes.read(made[-1]).picture.rows
    changed = (rows[1][0].ws != rows[1][2].ws).any(dim=1)
    assert {layer.band for layer in generator.layers if changed[layer.index]} == {"coarse"}
    vectors = torch.stack([directions.read(path, generator).vector[0] for path in made[:-1]])
    spread = drift.deviations(generator, vectors)
    reach = [float(row[-1].caption.rpartition("+")[2]) for row in rows]
    assert reach == pytest.approx((2 * spread).tolist(), rel=0.34)  # of one digit
    again = stylegan("directions", "discover", *words, "--model", tiny_model, "--out", method)
    assert (again.exit_code, "--force" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "luck"], "--method must be one of sefa, pca"),
        (["--out", "sheet.png"], "go into a folder; name one"),
        (["--count", "1", "--out", "mine.npz"], "go into a folder; name one"),
        (["--layers", "none"], "--layers none leaves nothing to move"),
        (["--layers", "none", "--method", "pca"], "--layers none leaves nothing to move"),
        (["--amount", "1e300"], "--amount"),
        (["--steps", 100, "--size", 512], "a sheet of 100 x 10 faces of 512 pixels is too large"),
    ],
)
def test_mistakes_of_discover(stylegan, tiny_model, here, words, said):
    result = stylegan("directions", "discover", *words, "--model", tiny_model)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert "unexpected" not in result.stderr
    assert list(here.iterdir()) == []


def test_no_directions_yet(stylegan, tiny_model, own_folder):
    result = stylegan("directions", "list", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (0, "")
    assert (
        result.stderr == f"{tiny_model} has no directions yet; make some with stylegan directions find or discover.\n"
    )


def test_a_sheet_that_is_there_stops_discover_at_once(stylegan, tiny_model, here, monkeypatch):
    monkeypatch.setattr(store, "load", None)
    (here / "found").mkdir()
    (here / "found/sheet.webp").touch()
    words = ["--out", "found", "--format", "webp", "--model", tiny_model]
    result = stylegan("directions", "discover", *words)
    assert (result.exit_code, "sheet.webp exists" in result.stderr) == (1, True)


def test_between_two_people(stylegan, tiny_model, own_folder):
    """What leads from one to the other leads others as far."""
    result = stylegan("directions", "between", 1, 2, "--name", "unlike", "--model", tiny_model)
    path = own_folder / "unlike.npz"
    assert (result.exit_code, result.stdout) == (0, f"{path}\n"), result.stderr
    for words in (("edit", 1, "--direction", "unlike=1", "-o", "there.png"), ("sample", 2, "-o", "two.png")):
        assert stylegan(*words, "--model", tiny_model).exit_code == 0
    np.testing.assert_allclose(pixels("there.png").astype(float), pixels("two.png"), atol=2)
    shown = stylegan("directions", "show", "unlike", "--model", tiny_model, "--size", 16).stderr
    assert "what makes 2 differ from 1; 1 is all of it\n" in shown and "command: stylegan" in shown
    length = np.linalg.norm(np.load(path)["direction"])
    assert f"the vector unlike is {length:.3g} long, and amounts multiply it: {3 / length:.1g} is a lot\n" in shown
    listed = stylegan("directions", "list", "--model", tiny_model).stdout
    assert listed == "unlike\twhat makes 2 differ from 1; 1 is all of it\n"
    again = stylegan("directions", "between", 1, 3, "--name", "unlike", "--model", tiny_model)
    assert again.exit_code == 1 and f"{path} exists" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([1, 1], "1 and 1 have the same latents, so there is no direction between them"),
        ([1, 2, "--name", "a=b"], "'a=b' cannot be a direction's name"),
        ([1, "2,3"], "'2,3' names several people"),
        ([1, 2, "--out", "x.png"], "x.png: directions are .npz files"),
    ],
)
def test_mistakes_of_between(stylegan, tiny_model, own_folder, here, words, said):
    result = stylegan("directions", "between", *words, "--model", tiny_model)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert not [*here.rglob("*.npz")]
