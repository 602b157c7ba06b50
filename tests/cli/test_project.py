"""`stylegan project`, photos as people, and `edit --paste`, on the tiny model and a real photo."""

import json
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from looking import pixels, size_of
from odd_profile import SWAPPED
from PIL import Image
from safetensors.torch import save_file
from small_families import CONFIGS, make

from stylegan_cli import modelfile, store
from stylegan_cli.cli.photos import found_before, pasted, projecting
from stylegan_cli.cli.photos.projecting import likeness
from stylegan_cli.cli.studio import Studio
from stylegan_cli.errors import StyleganError
from stylegan_cli.faces import clothes, details, detection, pasting
from stylegan_cli.generator import Origin
from stylegan_cli.latents import directions
from stylegan_cli.latents.directions import Direction
from stylegan_cli.media import encode, film
from stylegan_cli.media.decoding import Original, decode
from stylegan_cli.media.render import GAP
from stylegan_cli.operations import pivotal, projection
from stylegan_cli.scorers import runtime, silhouette

ASTRONAUT = Path(__file__).parents[1] / "golden" / "astronaut.jpg"


@dataclass(frozen=True)
class Hasty(projecting.Wanted):
    """Where nobody says how many steps, few: 100 of them look for a person no differently."""

    steps: int = 2
    tune_steps: int = 3


@cache
def detected(size, pixels, detect=detection.detect):
    return tuple(detect(Image.frombytes("RGB", size, pixels)))


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path, no_scorers):
    """Few steps and starts; faces on the same photo are looked for once; a cache of photos of its own; no scorers."""
    monkeypatch.setattr(detection, "detect", lambda photo: list(detected(photo.size, photo.tobytes())))
    monkeypatch.setattr(projecting, "Wanted", Hasty)
    monkeypatch.setattr(projection, "STARTS", 1)
    monkeypatch.setattr(found_before, "cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def works(stylegan, tiny_model, here, coarse_features):
    """Runs a command on the tiny model that must end well; returns stdout's lines and stderr."""

    def run(*words):
        result = stylegan(*words, "--model", tiny_model)
        assert result.exit_code == 0, result.stderr
        return result.stdout.splitlines(), result.stderr

    return run


@cache
def astronauts(size, *places):
    """The content of a PNG: the astronaut among other pixels, in squares `(left, top, edge)`."""
    whole = Image.new("RGB", size, "navy")
    with Image.open(ASTRONAUT) as image:
        for left, top, edge in places:
            whole.paste(image.resize((edge, edge)), (left, top))
    return encode.encode(whole, "png")


@pytest.fixture
def photo(here, coarse_features):
    """The astronaut, among other pixels."""
    (here / "me.png").write_bytes(astronauts((700, 600), (150, 50, 512)))
    return here / "me.png"


@pytest.fixture
def direction(tiny_model, tiny, here):
    origin = store.load(str(tiny_model)).origin
    directions.write(here / "age.npz", Direction("age", torch.full((tiny.num_ws, tiny.w_dim), 0.4)), origin)
    return "age.npz"


def about(path):
    return json.loads(str(np.load(path)["about"]))


def test_from_a_photo_to_latents(works, photo, tiny, fine_features):
    lines, told = works("project", photo, "--steps", 5)
    assert lines == ["me.npz", "me-projected.png", "me-compare.png"]
    assert np.load("me.npz")["w"].shape == (1, tiny.num_ws, tiny.w_dim)
    found = about("me.npz")
    assert found["photo"]["file"] == "me.png"
    assert found["photo"]["alignment"]["size"] == [700, 600]
    assert found["report"]["steps"] == 5
    assert found["report"]["distance"] > 0
    assert re.search(r"^Likeness: (poor|similar)\. 5 steps: perceptual distance", told, re.MULTILINE)
    assert size_of("me-projected.png") == (tiny.resolution, tiny.resolution)
    compared, size = pixels("me-compare.png"), tiny.resolution
    assert (compared[:size, -size:] == pixels("me-projected.png")).all()
    captions = np.split(compared[size:], [size, -size], axis=1)
    assert [bool((caption < 128).any()) for caption in captions] == [True, False, True]
    works("project", photo, "--steps", 9, "--out", "b.npz")
    assert about("b.npz")["report"]["distance"] < found["report"]["distance"]


def test_a_first_guess(works, photo):
    """The tiny model has no encoder; what was tuned is more than a guess."""
    _, told = works("project", photo, "--steps", 0)
    assert "There is no encoder for this model: the first guess is the average face or one of a few others.\n" in told
    assert re.search(r"^Likeness: \w+\. Only a first guess: ", told, re.MULTILINE)
    _, told = works("project", photo, "--steps", 0, "--tune-steps", 1, "-o", "b.npz")
    assert re.search(r"^Likeness: [\w ]+\. A first guess, and tuning: ", told, re.MULTILINE)


def test_w_and_npy(works, photo):
    made = ["me.npy", "me-projected.png", "me-compare.png"]
    assert works("project", photo, "--steps", 2, "--space", "w", "-o", "me.npy", "-q") == (made, "")
    ws = np.load("me.npy")
    assert (ws == ws[:1]).all()
    assert works("mix", "--coarse", "me.npy", "--fine", 3, "-q") == (["mix.png"], "")


def test_a_tuning_goes_along_with_the_latents(works, photo, tiny):
    works("project", photo, "--steps", 2, "--tune", "-o", "tuned.npz")
    works("project", photo, "--steps", 2, "-o", "plain.npz")
    assert (np.load("tuned.npz")["w"] == np.load("plain.npz")["w"]).all()
    assert Path("tuned.npz").stat().st_size < 5e6
    assert (pixels("tuned-projected.png") != pixels("plain-projected.png")).any()
    size = tiny.resolution
    plain, tuned = (pixels(f"{name}-compare.png") for name in ("plain", "tuned"))
    assert (tuned[:, : -size - GAP] == plain).all() and (tuned[:size, -size:] == pixels("tuned-projected.png")).all()
    works("mix", "--coarse", "tuned.npz", "--fine", "tuned.npz", "-o", "again.png")
    assert (pixels("again.png") == pixels("tuned-projected.png")).all()


def test_steps_of_tuning(works, photo, tiny, tmp_path, monkeypatch):
    """They are asked for with a tuning, and nobody else is taken for who was tuned with so many; the search is not
    done again for them."""
    taken, tune = [], pivotal.tune
    monkeypatch.setattr(pivotal, "tune", lambda *of: taken.append(of[3].steps) or tune(*of))
    works("project", photo, "-o", "five.npz", "--steps", 2, "--tune-steps", 5)
    monkeypatch.setattr(projection, "project", None)
    works("project", photo, "-o", "usual.npz", "--steps", 2, "--tune")
    works("project", photo, "-o", "three.npz", "--steps", 2, "--tune-steps", 3)
    _, told = works("project", photo, "-o", "four.npz", "--steps", 2, "--tune-steps", 4)
    assert "was projected before; tuning the model to it can take minutes." in told
    assert taken == [5, 3, 4]
    (kept,) = (tmp_path / "cache" / "photos").iterdir()
    tuned = {name: np.load(name)["tunings/shares"].shape for name in ("five.npz", "usual.npz", "three.npz", kept)}
    assert set(tuned.values()) == {(1, 1, tiny.num_ws)}


def test_steps_of_tuning_are_told(stylegan, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = stylegan("project", "--help").stdout.split("--tune-steps")[1]
    assert f"(default {pivotal.Settings.steps})" in told


def test_a_model_as_tuned_for_somebody(works, stylegan, photo, tiny_model):
    """Draws them by their w alone, also where their tuning goes along; blends, which hold only a part, need it."""
    works("project", photo, "-o", "me.npz", "--tune", "--steps", 2)
    assert stylegan("models", "convert", tiny_model, "me.safetensors", "--person", "me.npz").exit_code == 0
    blended = ("--average", 1, "-o", "plain.safetensors")
    assert stylegan("models", "blend", "me.safetensors", tiny_model, *blended).exit_code == 0
    works("sample", "me.npz", "-o", "tuned.png", "--precision", "fp32")
    drawn = []
    for model in ("me.safetensors", "plain.safetensors"):
        result = stylegan("sample", "me.npz", "-o", f"{model}.png", "--model", model, "--precision", "fp32")
        assert result.exit_code == 0, result.stderr
        drawn.append(pixels(f"{model}.png").astype(int))
    assert np.abs(drawn[0] - pixels("tuned.png")).max() <= 1
    assert np.abs(drawn[1] - pixels("tuned.png")).max() <= 1
    works("mix", "--coarse", 7, "--fine", "me.npz", "--save-latents", "-o", "mix.png")
    part = stylegan("models", "convert", tiny_model, "part.safetensors", "--person", "mix.npz")
    assert (part.exit_code, "mix has only a share of a tuning; give the person" in part.stderr) == (1, True)
    assert "tuned for     me\n" in stylegan("models", "show", "me.safetensors").stdout


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("1", "1 has no tuning to add to "),
        ("me.npy", "me.npy has no tuning to add to "),
        ("me.png", "me.png is a photo; give the .npz that stylegan project me.png --tune writes"),
        ("nobody", "unknown person 'nobody'"),
    ],
)
def test_a_model_is_not_tuned_for_who_has_no_tuning(stylegan, photo, tiny, tiny_model, person, said):
    np.save("me.npy", np.zeros(tiny.w_dim, np.float32))
    result = stylegan("models", "convert", tiny_model, "me.safetensors", "--person", person)
    assert (result.exit_code, result.stdout, said in result.stderr) == (2, "", True), result.stderr
    assert not Path("me.safetensors").exists()


def test_a_film_tells_that_its_latents_lack_a_tuning(works, photo):
    works("project", photo, "--steps", 2, "--tune", "-o", "tuned.npz", "-q")
    film = ("interpolate", 1, "tuned.npz", "--frames", 3, "--size", 16, "--save-latents")
    _, told = works(*film, "--out", "a.gif")
    assert told.count("a.npy stores the latents alone, without the tuning") == 1
    assert works(*film, "--out", "b.gif", "-q")[1] == ""
    works(*film, "--out", "frames/")
    works("sample", "frames/frame00003.npz", "--size", 16, "-o", "again.png")
    assert (pixels("again.png") == pixels("frames/frame00003.png")).all()
    for plain in (("interpolate", 1, 2, "--frames", 3, "--save-latents"), film[:-1]):
        assert "tuning" not in works(*plain, "--out", "c.gif", "--force")[1]


@pytest.mark.parametrize("family", CONFIGS)
def test_photos_in_every_family(stylegan, photo, here, family):
    modelfile.save(make(family), here / "model.safetensors", {})
    model = ("--model", "model.safetensors", "--precision", "fp32")
    for words in (
        ("project", photo, "--steps", 2, "--tune", "-o", "me.npz"),
        ("project", photo, "--steps", 2, "-o", "plain.npz"),
        ("directions", "discover", "--count", 1, "--out", "found"),
        ("edit", "me.npz", "--direction", "found/sefa-0.npz=1", "--paste", photo, "-o", "back.png"),
        ("edit", photo, "--direction", "found/sefa-0.npz=-2..2", "--steps", 3, "-o", "strip.png"),
    ):
        result = stylegan(*words, *model)
        assert result.exit_code == 0, result.stderr
    assert (pixels("me-projected.png") != pixels("plain-projected.png")).any()
    assert size_of("back.png") == (700, 600)
    assert (pixels("back.png") != pixels(photo)).any()


def test_a_film_of_the_search(works, photo):
    lines, _ = works("project", photo, "--steps", 3, "--film", "search.mp4")
    assert lines == ["me.npz", "search.mp4", "me-projected.png", "me-compare.png"]
    assert Path("search.mp4").stat().st_size > 1000


def test_what_is_aligned_already_is_not_looked_at_again(works, stylegan, photo, tiny):
    assert stylegan("align", photo.name, "--size", tiny.resolution).exit_code == 0
    works("project", "me-aligned.png", "--steps", 1, "-o", "one.npz")
    works("project", photo, "--steps", 1, "-o", "two.npz")
    assert (np.load("one.npz")["w"] == np.load("two.npz")["w"]).all()
    assert about("one.npz")["photo"]["alignment"] == about("two.npz")["photo"]["alignment"]


@pytest.mark.parametrize(
    ("distance", "word"),
    [(0.8, "very close"), (1, "close"), (2.4, "close"), (3.97, "similar"), (5, "poor"), (7, "poor")],
)
def test_a_word_for_the_distance(distance, word):
    assert likeness(distance) == word


def test_aligned_elsewhere(works, tiny):
    """No face is looked for; what is not square loses its sides."""
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    Image.fromarray(ramp).save("wide.png")
    works("project", "wide.png", "--aligned", "--steps", 1)
    assert about("wide.npz")["photo"]["alignment"] is None
    face = pixels("wide-compare.png")[: tiny.resolution, : tiny.resolution]
    assert 45 <= face.min() < 55 < 145 < face.max() <= 155


def test_photos_are_people(works, photo, monkeypatch):
    _, told = works("mix", "--coarse", photo, "--fine", 3)
    assert "finding this face in tiny can take minutes, but only the first time.\n" in told
    assert "draft" not in told  # it has no encoder
    monkeypatch.setattr(projection, "project", None)  # found once, it is not looked for again
    _, told = works("mix", "--coarse", photo, "--fine", 3, "-o", "again.png")
    assert told == ""
    assert (pixels("again.png") == pixels("mix.png")).all()


def test_a_stop_in_tuning_loses_no_projection(stylegan, works, photo, tiny_model, monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(pivotal, "tune", stop)
        assert stylegan("mix", "--coarse", photo, "--fine", 3, "--model", tiny_model).exit_code == 130
    with monkeypatch.context() as found:
        found.setattr(projection, "project", None)
        works("mix", "--coarse", photo, "--fine", 3, "-o", "later.png")
    (kept,) = (tmp_path / "cache" / "photos").iterdir()
    kept.unlink()
    works("mix", "--coarse", photo, "--fine", 3, "-o", "at-once.png")
    assert (pixels("later.png") == pixels("at-once.png")).all()


def test_nothing_is_looked_for_or_tuned_twice(works, photo, monkeypatch):
    """What an edit has found is what `project` would find, and is written at once; films show a search."""
    works("project", photo, "--steps", 2, "--tune", "-o", "alone.npz")
    (kept,) = found_before.cache_folder().glob("photos/*.npz")
    kept.unlink()
    works("mix", "--coarse", photo, "--fine", 3)
    with monkeypatch.context() as found:
        found.setattr(projection, "project", None)
        found.setattr(pivotal, "tune", None)
        _, said = works("project", photo, "--steps", 2, "--tune", "-o", "again.npz")
        assert "was projected before" in said and "Found before: perceptual distance" in said
        assert "tuning the model" not in said
        works("project", photo, "--steps", 2, "-o", "untuned.npz")
    assert len([*found_before.cache_folder().glob("photos/*")]) == 1
    works("sample", "alone.npz", "again.npz", "--outdir", "drawn")
    assert (pixels("drawn/alone.png") == pixels("drawn/again.png")).all()
    assert (pixels("alone-compare.png") == pixels("again-compare.png")).all()
    assert about("untuned.npz")["photo"]["likeness"] and not any("/left" in key for key in np.load("untuned.npz"))
    assert "2 steps" in works("project", photo, "--steps", 2, "-o", "other.npz", "--seed", 1)[1]
    assert "2 steps" in works("project", photo, "--steps", 2, "-o", "filmed.npz", "--film", "a.webp")[1]


def test_projections_that_cannot_be_kept_are_told_first(stylegan, photo, tiny_model, tmp_path, monkeypatch):
    (tmp_path / "cache").touch()
    monkeypatch.setattr(projection, "project", None)
    result = stylegan("project", photo, "--steps", 2, "--model", tiny_model)
    assert result.exit_code == 1 and "cache is a file, not a folder" in result.stderr


def test_a_stop_in_tuning_keeps_what_was_projected(stylegan, photo, tiny_model, here, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pivotal, "tune", stop)
    words = ("project", photo, "--steps", 2, "--tune", "-o", "me.npz", "--model", tiny_model)
    assert stylegan(*words).exit_code == 130
    assert np.load(here / "me.npz")["w"].shape[0] == 1


def test_the_comparison_has_the_size_asked_for(works, photo):
    works("project", photo, "--steps", 1, "--size", 24)
    compared = pixels("me-compare.png")
    assert compared.shape[1] == 2 * 24 + GAP
    is_white = (compared == 255).all(axis=2)
    assert is_white[:, 24 : 24 + GAP].all() and not is_white[:24, :24].any()


EARLY = [
    ("mix --coarse me.png --format bmp", "unknown format 'bmp'"),
    ("mix --coarse me.png --out a.mp4", "a film of mixtures moves through the people of --rows"),
    ("mix --coarse me.png --out me.png/new/", "me.png is a file, not a folder"),
    ("mix --coarse me.png --out there.png", "there.png exists; choose another name"),
    (f"mix --coarse me.png --out {'a' * 248}.png", ".png could not be written (File name too long); choose another"),
    ("mix --coarse me.png --fine zzz", "unknown person 'zzz'"),
    ("mix --coarse me.png --layers 99=2", "layers 99: this model has the layers"),
    ("mix --coarse me.png --layers 3-1=2", "layers 3-1 are backwards; write 1-3"),
    ("mix --rows me.png,zzz --cols 1", "unknown person 'zzz'"),
    ("mix --rows me.png --cols zzz", "unknown person 'zzz'"),
    ("mix --rows me.png --cols 2 --styles nose", "there is no band or layer 'nose'"),
    ("edit me.png zzz --direction age.npz=1", "unknown person 'zzz'"),
    ("edit me.png --direction age.npz=2 --layers nose", "there is no band or layer 'nose'"),
    ("edit me.png --direction age.npz=2 --out there.png", "there.png exists; choose another name"),
    ("edit me.png --direction age.npz=2 --out there.mp4", "there.mp4 exists; choose another name"),
    ("apply edits.json me.png --out there.png", "there.png exists; choose another name"),
    ("blend-parents me.png zzz", "unknown person 'zzz'"),
    ("blend-parents me.png 2 --children 2 --out x.png", "--out x.png is one file, but these are 3 pictures"),
    ("blend-parents me.png 2 --layers nose=1", "there is no band or layer 'nose'"),
    ("noise me.png --count 3 --out x.png", "--out x.png is one file, but these are 3 pictures"),
    ("noise me.png --count 3 --out faces", "noise-1.png exists"),
    ("blend-parents me.png 1 -n 2 --out faces", "child-2.npz exists"),
    ("blend-parents me.png 1 --out faces --format webp", "family.webp exists"),
    ("directions show age.npz --on me.png --out x.bmp", "unknown format 'bmp'"),
    ("directions show age.npz --on me.png --format bmp", "unknown format 'bmp'"),
    ("directions discover --samples 1000 --on me.png", "sefa samples no people; leave out --samples"),
    ("directions discover --count 99 --on me.png", "--count 99: there are at most"),
    ("mix --coarse me.png --fine 1 --out faces", "mix.png exists"),
    ("sample me.png 1 --grid --out faces", "sheet.png exists"),
    ("sample me.png 1 --out x.png", "--out x.png is one file, but these are 2 pictures"),
    ("sample me.png 1 --out faces", "me.png exists"),
    ("mix --rows me.png --cols 1,2 --out pairs", "me-2.png exists"),
    ("edit me.png 1 --direction age.npz=1 --out x.png", "--out x.png is one file, but these are 2 pictures"),
    ("edit me.png 1 --direction age.npz=1 --out faces", "me.png exists"),
    ("edit me.png --direction age.npz=1 --out faces", "edit.png exists"),
    ("apply edits.json me.png --out faces", "edited.png exists"),
    ("edit me.png --direction age.npz=1 --paste me.png --out faces", "me-edited.png exists"),
    ("paste me.png#2 me.png --out faces", "me-edited.png exists"),
    ("edit me.png --direction age.npz=1 --paste me.png#7", "there is no me.png#7"),
    ("apply edits.json me.png --paste me.png#7", "there is no me.png#7"),
    ("paste me.png me.png#7", "there is no me.png#7"),
    ("paste me.png nobody.png", "no face was found"),
    ("interpolate me.png", "a film needs at least two people"),
    ("interpolate me.png 2 --layers nose", "there is no band or layer 'nose'"),
    ("interpolate me.png 1 --fine zzz", "unknown person 'zzz'"),
    ("interpolate me.png 1 --out there.mp4", "there.mp4 exists; choose another name"),
    ("interpolate me.png 1 --out a.mp4 --save-latents", "a.npy exists"),
    ("sample me.png --psi 0.5", "only seeds are truncated, and latents are used unchanged; leave out --psi"),
    ("mix --coarse me.png --fine me.png#2 --cutoff 4", "leave out --cutoff"),
    ("mix --rows me.png --cols me.png#2 --psi 1", "leave out --psi"),
    ("noise me.png --psi 0.5 --cutoff 4", "leave out --psi and --cutoff"),
    ("noise me.png --jitter 1 --psi 0.5", "leave out --psi"),
    ("interpolate me.png --coarse me.png#2 --psi 0.5", "leave out --psi"),
    ("blend-parents me.png me.png#2 --trunc 0.5", "leave out --psi"),
    ("edit me.png --direction age.npz=1 --psi 0.5", "leave out --psi"),
    ("apply edits.json me.png me.png#2 --psi 0.5", "leave out --psi"),
    ("paste me.png#2 me.png --psi 0.5", "leave out --psi"),
    ("directions show age.npz --on me.png --psi 0.5", "leave out --psi"),
]


@pytest.mark.parametrize(("words", "said"), EARLY, ids=[words[:99] for words, _ in EARLY])
def test_mistakes_are_told_before_minutes_are_spent_on_a_photo(
    stylegan, tiny_model, photo, direction, monkeypatch, words, said
):
    monkeypatch.setattr(projecting, "person", None)
    Path("faces").mkdir()
    Path("pairs").mkdir()
    Image.new("RGB", (64, 64)).save("nobody.png")
    pictures = ("noise-1", "mix", "sheet", "edit", "edited", "me", "me-edited")
    results = ("child-2.npz", "family.webp", *(f"{picture}.png" for picture in pictures))
    for name in ("there.png", "there.mp4", "a.npy", "pairs/me-2.png", *(f"faces/{name}" for name in results)):
        Path(name).touch()
    Path("edits.json").write_text('{"edit": [{"age.npz": 2}]}')
    result = stylegan(*words.split(), "--model", tiny_model)
    is_usage = not any(why in said for why in ("exists", "is a file, not", "too long", "no face"))
    assert (result.exit_code, said in result.stderr) == (2 if is_usage else 1, True), result.stderr


def test_what_was_kept_damaged_is_found_again(works, photo, tmp_path):
    works("mix", "--coarse", photo, "--fine", 3)
    (kept,) = (tmp_path / "cache" / "photos").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])
    _, told = works("mix", "--coarse", photo, "--fine", 3, "-o", "again.png")
    assert "finding this face in tiny can take minutes" in told
    assert (pixels("again.png") == pixels("mix.png")).all()


def test_a_cache_that_cannot_keep_people_is_told_before_the_search(stylegan, tiny_model, photo, tmp_path):
    (tmp_path / "cache").touch()
    result = stylegan("mix", "--coarse", photo, "--fine", 3, "--model", tiny_model)
    assert result.exit_code == 1 and "cache is a file, not a folder" in result.stderr
    assert "finding this face" not in result.stderr


def test_an_edit_goes_back_into_its_photo(works, photo, direction):
    works("project", photo, "--steps", 2, "-q")
    lines, _ = works("edit", "me.npz", "--direction", f"{direction}=2", "--paste", photo, "--save-latents")
    assert lines == ["me-edited.png"]
    before, after = pixels(photo).astype(int), pixels("me-edited.png").astype(int)
    assert before.shape == after.shape
    changed = (before != after).any(axis=2)
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    quad = np.array(about("me.npz")["photo"]["alignment"]["quad"])
    margin = pasting.MARGIN * np.hypot(*(quad[3] - quad[0]))  # how far colours follow the edit around the crop
    assert changed.mean() > 0.02
    assert quad[:, 1].min() - margin <= rows.min() and rows.max() <= quad[:, 1].max() + margin
    assert quad[:, 0].min() - margin <= columns.min() and columns.max() <= quad[:, 0].max() + margin
    assert np.load("me-edited.npz")["w"].shape == np.load("me.npz")["w"].shape


def test_whom_project_found_no_other_command_looks_for(works, photo, direction, monkeypatch):
    works("project", photo, "--steps", 2, "--tune", "-q")
    monkeypatch.setattr(projection, "project", None)
    edit = "edit", photo, "--direction", f"{direction}=1", "--paste", photo
    _, told = works(*edit, "-o", "a.png")
    assert "can take minutes" not in told
    works("edit", "me.npz", *edit[2:], "-o", "b.png", "-q")
    assert np.array_equal(pixels("a.png"), pixels("b.png"))


@pytest.mark.parametrize(
    "settings", [[("--class", 0), ("--class", 1)], [("--class", 0, "--precision", name) for name in ("fp32", "bf16")]]
)
def test_nobody_is_taken_for_whom_other_settings_found(stylegan, photo, here, tmp_path, settings):
    modelfile.save(make("stylegan2", c_dim=2), here / "model.safetensors", {})
    for words in settings:
        result = stylegan("mix", "--coarse", photo, *words, "--model", "model.safetensors", "-o", "mix.png", "--force")
        assert result.exit_code == 0, result.stderr
    assert len(list((tmp_path / "cache" / "photos").iterdir())) == 2


def test_whom_project_found_is_only_tuned(works, photo, tmp_path, monkeypatch):
    works("project", photo, "--steps", 2, "-q")
    with monkeypatch.context() as found:
        found.setattr(projection, "project", None)
        works("mix", "--coarse", photo, "--fine", 3, "-o", "later.png", "-q")
    (kept,) = (tmp_path / "cache" / "photos").iterdir()
    kept.unlink()
    works("mix", "--coarse", photo, "--fine", 3, "-o", "at-once.png", "-q")
    assert (pixels("later.png") == pixels("at-once.png")).all()


def test_who_is_tuned_is_not_kept_untuned(works, photo, tmp_path):
    for words in ((), ("--tune",)):
        works("project", photo, "--steps", 2, *words, "--force", "-o", "me.npz", "-q")
        assert len(list((tmp_path / "cache" / "photos").iterdir())) == 1


@pytest.mark.parametrize(
    "words", [("--tune", "--seed", 3), ("--seed", 3), ("--tune", "--space", "w"), ("--tune", "--aligned")]
)
def test_whoever_was_found_in_another_way_is_not_kept(works, photo, tmp_path, words):
    works("project", photo, "--steps", 2, *words, "-q")
    assert not (tmp_path / "cache" / "photos").exists()


@pytest.mark.parametrize(("limit", "is_told"), [(0.0, True), (99.0, False)])
def test_a_poor_likeness_is_told_before_it_goes_into_the_photo(works, photo, direction, monkeypatch, limit, is_told):
    monkeypatch.setattr(projecting, "LIKENESS", {limit: "close"})
    works("project", photo, "--steps", 2, "-q")
    assert about("me.npz")["photo"]["likeness"] == ("poor" if is_told else "close")
    for words in (
        ("edit", "me.npz", "--direction", f"{direction}=2", "--paste", photo),
        ("paste", 5, photo, "--force"),
    ):
        _, told = works(*words)
        assert ("me is no close likeness of the face in" in told) is (is_told and words[0] == "edit")
        assert ("which finds a closer one" in told) is (is_told and words[0] == "edit")
    _, told = works("edit", photo, "--direction", f"{direction}=2", "--paste", photo, "--force")
    assert ("me is no close likeness of the face in" in told) is is_told and "a closer one" not in told


@pytest.mark.parametrize(("limit", "is_kept"), [(0.0, False), (99.0, True)])
def test_only_who_is_a_close_likeness_keeps_details_of_the_photo(works, photo, direction, monkeypatch, limit, is_kept):
    """Others have their eyes and mouths at other places."""
    seen, kept = [], details.kept
    monkeypatch.setattr(details, "kept", lambda *pictures: seen.append(pictures) or kept(*pictures))
    monkeypatch.setattr(projecting, "LIKENESS", {limit: "close"})
    works("edit", photo, "--direction", f"{direction}=2", "--paste", photo)
    assert bool(seen) is is_kept
    works("paste", 5, photo, "--force")  # somebody else never does
    assert len(seen) == is_kept


@pytest.mark.parametrize(("name", "face"), [("me.png", ""), ("party.png", "#2")])
def test_whoever_was_edited_goes_into_their_photo_as_with_the_edit(
    works, photo, party, direction, tmp_path, name, face
):
    edit = ("edit", f"{name}{face}", "--direction", f"{direction}=2")
    works(*edit, "--paste", name, "-o", "at-once.png")
    works(*edit, "-o", "edited.png")
    works("paste", "edited.png", name, "-o", "later.png")
    assert (pixels("later.png") == pixels("at-once.png")).all()
    with Image.open(name) as image:
        image.save("again.jpg", quality=90)
    _, told = works("paste", "edited.png", "again.jpg", "-o", "again.png")
    assert "was not found" not in told and "is not known" not in told
    assert np.abs(pixels("again.png").astype(int) - pixels("at-once.png")).mean() < 2
    shutil.rmtree(tmp_path / "cache")  # who they were before is not known any more
    _, told = works("paste", "edited.png", name, "-o", "forgotten.png")
    assert "Who edited was before an edit is not known" in told
    assert (pixels("forgotten.png") != pixels("at-once.png")).any()


def test_who_was_found_otherwise_is_not_who_the_cache_knows(works, photo, direction):
    """A draft, say: the difference to the person in the cache would be pasted with the edit."""
    edit = ("edit", "other.npz", "--direction", f"{direction}=2")
    works("edit", photo, "--direction", f"{direction}=1", "-o", "known.png")
    works("project", photo, "--steps", 1, "--seed", 3, "-o", "other.npz")
    works(*edit, "-o", "edited.png")
    _, told = works("paste", "edited.png", photo, "-o", "a.png")
    assert "Who edited was before an edit is not known" in told
    works("paste", "edited.png", photo, "--own-skin", "-o", "b.png")
    assert (pixels("a.png") != pixels("b.png")).any()  # the light on somebody else


def test_somebody_else_at_the_same_place_is_somebody_else(works, photo, faces):
    """As on the next picture from a tripod; the same photo, saved again, is still the same."""
    works("project", photo, "--steps", 1, "-q")
    left, top, right, bottom = np.array(about("me.npz")["photo"]["alignment"]["quad"])[[0, 2]].astype(int).flatten()
    with Image.open(photo) as image:
        image.save("again.jpg", quality=60)
        image.paste(faces["old"].resize((right - left, bottom - top)), (left, top))
        image.save("other.png")
    for name, is_other in (("again.jpg", False), ("other.png", True)):
        _, told = works("paste", "me.npz", name)
        assert ("was not found in" in told) is is_other


@pytest.mark.parametrize(("out", "amount"), [("a.webp", 1), ("a.mp4", "0..1"), ("frames/", "0..1")])
def test_a_photo_too_large_for_its_format_is_told_before_anybody_is_searched_for(
    stylegan, tiny_model, photo, direction, monkeypatch, out, amount
):
    monkeypatch.setattr(projection, "project", lambda *_: pytest.fail("minutes were spent"))
    monkeypatch.setitem(encode.EDGES, "webp", 699)
    monkeypatch.setitem(encode.EDGES, "jpg", 699)
    monkeypatch.setattr(film, "LARGEST", 699)
    words = ("edit", photo, "--direction", f"{direction}={amount}", "--paste", photo, "-o", out, "--model", tiny_model)
    result = stylegan(*words, *(("--frames", 2, "--format", "jpg") if out == "frames/" else ()))
    assert result.exit_code == (2 if out == "a.mp4" else 1)
    assert "699 pixels per edge, but this one is 700 x 600" in result.stderr


def test_every_photo_is_looked_at_before_anybody_is_searched_for(stylegan, tiny_model, photo, here, monkeypatch):
    monkeypatch.setattr(projection, "project", lambda *_: pytest.fail("minutes were spent"))
    Image.new("RGB", (300, 300)).save(here / "black.jpg")
    result = stylegan("blend-parents", photo, "black.jpg", "--model", tiny_model)
    assert (result.exit_code, "no face was found in black.jpg" in result.stderr) == (1, True)


def test_people_are_pasted_without_an_edit(works, stylegan, tiny_model, photo, direction):
    """Somebody else, as an edit of 0 pastes them."""
    works("sample", "--seeds", 5, "-o", "five.png", "--save-latents", "-q")
    lines, told = works("paste", "five.png", photo, "--save-latents")
    assert lines == ["me-edited.png"] and "so the largest face there is replaced" in told
    works("edit", 5, "--direction", f"{direction}=0", "--paste", photo, "-o", "edited.png", "-q")
    assert np.array_equal(pixels("me-edited.png"), pixels("edited.png"))
    assert np.array_equal(np.load("me-edited.npz")["w"], np.load("five.npz")["w"])
    for words, said in (
        (("5-6", photo), "#1 -o a.png, the next with stylegan paste PERSON a.png#2"),
        ((5, photo, "--size", 64), "faces are pasted at their original size; leave out --size"),
        ((5, "nowhere.png"), "there is no photo 'nowhere.png'"),
        ((5, f"{photo}#1-2"), "by its number; 1 is the largest"),
    ):
        result = stylegan("paste", *words, "--model", tiny_model)
        assert result.exit_code == 2 and said in " ".join(result.stderr.replace("│", " ").split())


def test_whoever_names_the_photo_first_is_told_before_minutes_are_spent_on_it(works, stylegan, tiny_model, photo):
    works("sample", "--seeds", 5, "-o", "five.png", "-q")
    sentence = "me.png goes into five.png, which was made by this tool; if you mean the reverse, name me.png last.\n"
    assert stylegan("paste", "me.png", "five.png", "--model", tiny_model).stderr.startswith(sentence)
    assert "the reverse" not in stylegan("paste", "me.png", "five.png", "-q", "--model", tiny_model).stderr
    for order in (("five.png", "me.png"), ("me.png", "me.png")):
        assert "the reverse" not in works("paste", *order, "-o", "back.png", "--force")[1]


def test_people_go_back_to_their_places(works, party):
    works("project", f"{party}#1-2", "--steps", 1, "-o", "people/", "-q")
    works("paste", "people/party-2.npz", "people/party-1.npz", party, "-o", "both.png", "-q")
    for number in (1, 2):
        works("paste", f"people/party-{number}.npz", party, "-o", f"{number}.png", "-q")
    before, both, one, other = (pixels(name).astype(int) for name in (party, "both.png", "1.png", "2.png"))
    assert all((each != before).any() for each in (one, other))
    assert np.abs((both - before) - (one - before) - (other - before)).mean() < 0.1


def test_a_photo_on_its_side_stays_there(works, photo, direction):
    """Only the face in it is turned, for the model and back."""
    with Image.open(photo) as image:
        image.transpose(Image.Transpose.ROTATE_90).save("side.png")
    move = ("--direction", f"{direction}=2")
    works("project", "side.png", photo, "--steps", 1, "-o", "people/", "-q")
    for name in ("side", "me"):
        works("edit", f"people/{name}.npz", *move, "--paste", f"{name}.png", "-o", f"{name}-2.png", "-q")
    turned, upright = np.rot90(pixels("side-2.png"), -1).astype(float), pixels("me-2.png")
    assert np.abs(turned - upright).mean() < 0.5 < np.abs(upright - pixels(photo).astype(float)).mean()


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_what_the_camera_wrote_stays_with_the_photo(works, photo, direction, ending):
    """But for how it was held: the picture is upright."""
    make, orientation, artist = 271, 274, 315
    about = Image.Exif()
    about[make], about[orientation], about[artist] = "Olympus", 3, "somebody"
    Image.open(photo).rotate(180).save("held.jpg", quality=95, exif=about, comment=b"about the old face")
    works("edit", 1, "--direction", f"{direction}=2", "--paste", "held.jpg", "-o", f"back.{ending}", "-q")
    with Image.open(f"back.{ending}") as back:
        found = back.getexif()
        assert (found[make], found[artist], orientation in found) == ("Olympus", "somebody", False)
        assert "comment" not in back.info
        before = np.asarray(Image.open("held.jpg").rotate(180).convert("RGB"), float)
        assert np.abs(np.asarray(back.convert("RGB"), float) - before)[400:].mean() < 3


def test_a_photo_keeps_its_own_colours(works, photo, direction):
    """Phones take pictures in Display P3; films are always in sRGB."""
    Image.open(photo).crop((100, 0, 700, 600)).save("plain.png")
    swapped = Original(Image.new("RGB", (1, 1)), SWAPPED).matched(Image.open("plain.png"))
    swapped.save("own.png", icc_profile=SWAPPED)
    edit = ("edit", 1, "--direction", f"{direction}=2", "-q", "--paste")
    for name in ("plain", "own"):
        works(*edit, f"{name}.png", "-o", f"{name}-2.png")
        works(*edit, f"{name}.png", "-o", f"{name}.webm", "--frames", 1)
    assert Image.open("own-2.png").info["icc_profile"] == SWAPPED
    assert np.array_equal(pixels("own-2.png")[:20], pixels("own.png")[:20])
    plain, own = (decode(Path(f"{name}-2.png").read_bytes()) for name in ("plain", "own"))
    assert np.abs(np.asarray(plain, float) - np.asarray(own, float)).mean() < 1
    plain, own = (iio.imread(f"{name}.webm")[0].astype(float) for name in ("plain", "own"))
    assert np.abs(plain - own).mean() < 1


@pytest.mark.parametrize("profile", [b"", SWAPPED], ids=["sRGB", "another"])
def test_an_edit_of_nothing_changes_nothing(works, photo, direction, monkeypatch, profile):
    """Of somebody who keeps the photo's details: they are compared in its own colours."""
    monkeypatch.setattr(projecting, "LIKENESS", {99.0: "close"})
    own = Original(Image.new("RGB", (1, 1)), profile).matched(Image.open(photo))
    own.save("own.png", icc_profile=profile or None)
    works("edit", "own.png", "--direction", f"{direction}=0", "--paste", "own.png", "-o", "same.png", "-q")
    assert np.abs(pixels("same.png").astype(int) - pixels("own.png")).max() <= 1


def test_a_cut_out_stays_one(works, party, direction):
    """Also where another face goes into the result. Faces are pasted on white, which jpg keeps."""
    whole = Image.open(party)
    alpha = Image.new("L", whole.size)
    alpha.paste(255, (20, 0, 890, 450))
    alpha.paste(128, (600, 100, 890, 520))
    white = Image.new("RGB", whole.size, "white")
    white.paste(whole, mask=alpha)
    white.save("white.png")
    whole.putalpha(alpha)
    whole.save("cut.png")
    edit = ("edit", 1, "--direction", f"{direction}=2", "-q", "--paste")
    for name, ending in (("cut", "png"), ("cut", "webp"), ("cut", "jpg"), ("white", "png"), ("white", "jpg")):
        works(*edit, f"{name}.png#2", "-o", f"{name}-2.{ending}")
    works(*edit, "cut-2.png#1", "-o", "again.png")
    assert Path("cut-2.jpg").read_bytes() == Path("white-2.jpg").read_bytes()
    before, png, webp, again = (
        np.asarray(Image.open(name)).astype(int) for name in ("cut.png", "cut-2.png", "cut-2.webp", "again.png")
    )
    assert all(np.array_equal(each[..., 3], before[..., 3]) for each in (png, webp, again))
    assert np.abs(webp - png).mean() < 5
    is_kept = (pixels("white-2.png") == pixels("white.png")).all(axis=2) | (before[..., 3] == 0)
    assert np.array_equal(png[is_kept], before[is_kept])
    opaque = before[..., 3] == 255
    assert np.array_equal(png[opaque, :3], pixels("white-2.png")[opaque])
    assert all((~is_kept & (before[..., 3] == share)).any() for share in (128, 255))
    assert (again[:, :400] != png[:, :400]).any() and np.array_equal(again[:, 700:], png[:, 700:])


def test_who_edits_what_was_pasted_into_is_told_of_the_original(works, party, direction):
    """The tiny model's own pictures show no face that could be found; the other face is still there."""
    works("paste", 5, f"{party}#2", "-o", "pasted.jpg")
    for photo, is_told in ((party, False), ("pasted.jpg", True)):
        _, told = works("edit", f"{photo}#1", "--direction", f"{direction}=1", "-o", "edited.png", "--force")
        sentence = f"This tool pasted faces into {photo}: to edit them further, edit the original photo, with all"
        assert (sentence in told) is is_told


def test_somebody_else_may_keep_their_skin(works, photo, monkeypatch):
    def put(curve, *words):
        monkeypatch.setattr(pasted, "lighting", lambda *_: [*curve] * 3)
        works("paste", 1, photo, *words, "-o", "in.png", "--force", "-q")
        return pixels("in.png").astype(int)

    unchanged, dark = range(256), [0] * 256
    assert np.array_equal(put(dark, "--own-skin"), put(unchanged))
    assert np.abs(put(dark) - put(unchanged)).max() > 50


def test_a_film_of_somebody_else_has_one_light(works, photo, direction, monkeypatch):
    """That of the face before the edit: else what an edit does to skin would be taken for light, and change it."""
    compared = []
    really = pasted.lighting
    monkeypatch.setattr(pasted, "lighting", lambda face, other: compared.append(face) or really(face, other))
    works("edit", 1, "--direction", f"{direction}=-1..1", "--paste", photo, "--frames", 2, "--out", "years/", "-q")
    works("sample", "--seeds", 1, "-o", "1.png", "-q")
    (face,) = compared
    assert np.array_equal(np.asarray(face), np.asarray(Image.open("1.png")))


def test_only_who_is_seen_there_is_compared_with_before(works, photo, direction, monkeypatch):
    """Of whom the photo shows as they were before an edit only the edit is pasted; others take the whole place."""
    seen = []
    really = pasting.paste
    monkeypatch.setattr(pasting, "paste", lambda *args: seen.append(args[3]) or really(*args))
    edit = ("edit", "--direction", f"{direction}=2")
    works("project", photo, "--steps", 2, "-q")
    works(*edit, "me.npz", "-o", "older.png", "--save-latents", "-q")
    for number, (who, where) in enumerate([
        ("me.npz", photo), ("me.npz", f"{photo}#1"), ("older.png", photo), ("older.npz", photo), ("1", photo),
    ]):  # fmt: skip
        works(*edit, who, "--paste", where, "-o", f"back{number}.png", "-q")
    assert [reference is not None for reference in seen] == [True, True, False, False, False]


def test_what_is_behind_a_face_stays_where_somebody_can_tell(works, photo, direction, monkeypatch):
    """Without OpenVINO, or its file, faces go back all the same."""

    def offline(*_):
        raise StyleganError("could not fetch it; check the network")

    works("project", photo, "--steps", 2, "-q")
    words = ("edit", "me.npz", "--direction", f"{direction}=2", "--paste", photo, "--out")
    _, told = works(*words, "kept.png")
    monkeypatch.setattr(pasted, "fetch", lambda assets: offline() if silhouette.SILHOUETTE in assets else None)
    _, told_offline = works(*words, "offline.png")
    monkeypatch.setattr(runtime, "installed", lambda: False)
    _, told_without = works(*words, "without.png")
    sentence = "The background may change with the face: "
    assert sentence not in told
    assert f"{sentence}could not fetch it; check the network.\n" in told_offline
    assert f"{sentence}the scores of faces need OpenVINO, which is not installed; run pip install" in told_without
    assert (pixels("offline.png") == pixels("without.png")).all()
    corner = (slice(60, 90), slice(265, 285))  # of her wall, within the crop
    change = [np.abs(pixels(f"{name}.png").astype(int) - pixels(photo))[corner].mean() for name in ("kept", "without")]
    assert change[0] < change[1] / 2


def test_clothes_stay_where_they_are_seen(works, photo, direction, monkeypatch):
    works("project", photo, "--steps", 2, "-q")
    words = ("edit", "me.npz", "--direction", f"{direction}=2", "--paste", photo, "-q", "--out")
    change = {}
    low = (np.arange(64) > 40).repeat(64).reshape(64, 64, 1)
    for name, there in {"naked": low * 0, "dressed": low}.items():
        monkeypatch.setattr(clothes, "read", lambda _picture, there=there: there.astype(np.float32))
        works(*words, f"{name}.png")
        change[name] = np.abs(pixels(f"{name}.png").astype(int) - pixels(photo)).sum(axis=(1, 2))
    lowest = np.flatnonzero(change["naked"])[-40:]
    assert change["dressed"][lowest].sum() < change["naked"][lowest].sum() / 10
    assert change["dressed"].any()


def test_pasting_follows_the_latents_and_otherwise_looks(works, photo, direction):
    """Latents that remember another place are believed for their own photo only."""
    works("project", photo, "--steps", 1, "-q")
    with np.load("me.npz") as file:
        arrays, told = dict(file), about("me.npz")
    told["photo"]["alignment"]["quad"] = [[0, 0], [0, 99], [99, 99], [99, 0]]
    np.savez("moved.npz", **arrays | {"about": json.dumps(told)})
    works("edit", "moved.npz", "--direction", f"{direction}=2", "--paste", photo, "-o", "there.png", "-q")
    changed = (pixels("there.png") != pixels(photo)).any(axis=2)
    assert changed[:100, :100].any() and not changed[130:].any()
    Image.open(photo).save("copy.jpg", quality=95)
    works("edit", "moved.npz", "--direction", f"{direction}=2", "--paste", "copy.jpg", "-o", "here.png", "-q")
    changed = (pixels("here.png") != pixels("copy.jpg")).any(axis=2)
    assert not changed[:40].any() and changed[100:300, 300:500].any()


@pytest.fixture
def party(here, coarse_features):
    """The astronaut twice: face 1 on the left, and a smaller face 2 on the right."""
    (here / "party.png").write_bytes(astronauts((900, 520), (0, 0, 512), (516, 0, 380)))
    return here / "party.png"


def test_a_face_among_others_goes_back_to_its_own_place(works, party, direction):
    works("project", f"{party}#2", "--steps", 1, "-o", "two.npz", "-q")
    Image.open(party).save("again.png", compress_level=1)  # the same pixels in another file
    move = ("--direction", f"{direction}=2")
    works("edit", "two.npz", *move, "-o", "edited.png", "--save-latents", "-q")
    works("edit", "two.npz", "--direction", f"{direction}=0..2", "--frames", 1, "-o", "frames/", "-q")
    for person, photo in (
        ("frames/frame00001.png", party),
        ("two.npz", party),
        ("two.npz", "again.png"),
        ("two.npz#0", party),
        ("two-projected.png", party),
        ("edited.npz", party),
        ("edited.png", "again.png"),
    ):
        _, told = works("edit", person, *move, "--paste", photo, "-o", "back.png", "--force")
        changed = (pixels("back.png") != pixels(party)).any(axis=2)
        assert changed[:, 560:].any() and not changed[:, :480].any(), person
        assert "largest face" not in told
    _, told = works("edit", "two.npz", *move, "--paste", f"{party}#1", "-o", "first.png")
    changed = (pixels("first.png") != pixels(party)).any(axis=2)
    assert changed[:, :480].any() and not changed[:, 560:].any()


def test_a_photo_shows_whom_its_number_says(works, party, direction):
    """The person and the place are both the second largest face's."""
    move = ("--direction", f"{direction}=2")
    works("edit", f"{party}#2", *move, "--paste", party, "-o", "back.png", "--save-latents", "-q")
    changed = (pixels("back.png") != pixels(party)).any(axis=2)
    assert changed[:, 560:].any() and not changed[:, :480].any()
    assert about("back.npz")["photo"]["alignment"]["face"] == 2


def test_whoever_is_not_edited_keeps_their_place(works, party, direction, monkeypatch):
    others, really = [], pasting.paste
    monkeypatch.setattr(pasting, "paste", lambda *args: others.extend(args[5]) or really(*args))
    works("edit", f"{party}#2", "--direction", f"{direction}=2", "--paste", party, "-o", "back.png", "-q")
    assert [other.corners[:, 0].mean() < 512 for other in others] == [True]


def test_who_is_chosen_from_a_strip_goes_back_to_their_own_place(works, stylegan, party, direction):
    move = ("--direction", f"{direction}=0..2")
    works("edit", f"{party}#2", *move, "--steps", 3, "-o", "strip.png", "--save-latents", "-q")
    works("edit", f"{party}#1-2", *move, "--steps", 3, "-o", "two.png", "--save-latents", "-q")
    for person in ("strip.png#3", "strip.npz#2", "two.png#6", "two.npz#5"):
        _, told = works("paste", person, party, "-o", "back.png", "--force")
        changed = (pixels("back.png") != pixels(party)).any(axis=2)
        assert changed[:, 560:].any() and not changed[:, :480].any(), person
        assert "was not found" not in told
    assert stylegan("show", "two.npz").stdout.count("photo       file party.png") == 6
    works("paste", "two.png#3", "two.npz#5", party, "-o", "both.png", "-q")
    changed = (pixels("both.png") != pixels(party)).any(axis=2)
    assert changed[:, 560:].any() and changed[:, :480].any()


def test_everybody_goes_back_to_their_own_place(works, party, direction):
    move = ("--direction", f"{direction}=2")
    ((made,), _) = works("edit", f"{party}#1-2", *move, "--paste", party)
    assert made == "party-edited.png"
    changed = (pixels(made) != pixels(party)).any(axis=2)
    assert changed[:, :480].any() and changed[:, 560:].any() and not changed[:, 500:516].any()
    for number in (1, 2):  # each as if nobody else had been edited
        works("edit", f"{party}#{number}", *move, "--paste", party, "-o", f"{number}.png", "-q")
    alone = [pixels(f"{number}.png").astype(int) - pixels(party) for number in (1, 2)]
    assert np.array_equal(pixels(made).astype(int) - pixels(party), sum(alone))


def test_a_file_of_edits_goes_into_the_photo(works, party, direction):
    Path("edits.toml").write_text(f'[[edit]]\ndirection = "{direction}"\namount = 2\n')
    works("apply", "edits.toml", f"{party}#1-2", "--paste", party, "-o", "applied.png", "-q")
    works("edit", f"{party}#1-2", "--direction", f"{direction}=2", "--paste", party, "-o", "edited.png", "-q")
    assert np.array_equal(pixels("applied.png"), pixels("edited.png"))


def test_several_photos(stylegan, tiny_model, party, photo):
    """What cannot be used does not stop the others."""
    Image.new("RGB", (300, 200), "skyblue").save("sky.png")
    words = ("project", f"{party}#1-2", "sky.png", photo, "--steps", 1, "-o", "people/", "--model", tiny_model)
    result = stylegan(*words)
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line.endswith(".npz")] == [
        f"people/{name}.npz" for name in ("party-1", "party-2", "me")
    ]
    assert about("people/party-2.npz")["photo"]["alignment"]["face"] == 2
    assert "Error: no face was found in sky.png" in result.stderr
    assert result.stderr.endswith("Error: 1 of 4 photos could not be projected.\n")
    for more, said in ((("-o", "one.npz"), "name a folder"), (("--film", "a.mp4"), "name one photo")):
        result = stylegan("project", party, photo, *more, "--model", tiny_model)
        assert (result.exit_code, said in result.stderr) == (2, True)


def test_several_photos_without_a_place_of_their_own(works, stylegan, tiny_model, party, here):
    (here / "people").mkdir()
    made, _ = works("project", party, f"{party}#2", "--steps", 0, "-q")
    assert [line for line in made if line.endswith(".npz")] == ["people-2/party.npz", "people-2/party-2.npz"]
    result = stylegan("project", party, "--steps", 0, "--film", "f.mp4", "--model", tiny_model)
    assert (result.exit_code, "leave out one of them" in result.stderr) == (2, True)


def test_a_new_name_is_new_with_all_that_comes_beside_it(works, photo):
    works("project", photo, "--steps", 0, "-q")
    Path("me.npz").rename("her.npz")  # the pictures stay
    made, _ = works("project", photo, "--steps", 0, "-q")
    assert made == ["me-2.npz", "me-2-projected.png", "me-2-compare.png"]


def test_an_encoder_of_another_state_of_the_model_is_left_alone(works, photo, tmp_path, monkeypatch):
    metadata = {"model": json.dumps({"name": "tiny", "sha256": "0" * 64})}
    save_file({"x": torch.zeros(1)}, tmp_path / "encoder.safetensors", metadata)
    monkeypatch.setattr(store.Source, "encoder", tmp_path / "encoder.safetensors")
    _, told = works("project", photo, "--steps", 1)
    assert "encoder.safetensors was trained for another version of this model; the search starts without it." in told


@pytest.mark.parametrize("is_for_this", [True, False])
def test_a_draft_is_offered_where_an_encoder_can_guess(works, party, tiny_model, tmp_path, monkeypatch, is_for_this):
    monkeypatch.setattr(store.Source, "encoder", tmp_path / "encoder.safetensors")
    origin = store.load(str(tiny_model)).origin if is_for_this else Origin("tiny", "0" * 64)
    save_file({"x": torch.zeros(1)}, store.Source.encoder, {"model": json.dumps(origin.to_plain())})
    monkeypatch.setattr(Studio, "guess", lambda *_: None)
    _, told = works("mix", "--coarse", f"{party}#2", "--fine", 3)
    assert (f"use the latents that stylegan project {party}#2 --steps 0 writes.\n" in told) == is_for_this


def test_no_steps_are_the_first_guess(works, photo, fine_features):
    works("project", photo, "--steps", 0, "-o", "guess.npz", "-q")
    works("project", photo, "--steps", 3, "-o", "found.npz", "-q")
    guess, found = (about(f"{name}.npz")["report"] for name in ("guess", "found"))
    assert (guess["steps"], found["steps"]) == (0, 3)
    assert found["distance"] < guess["distance"]


def test_a_search_starts_from_whom_it_is_told_to(works, photo, tiny, tmp_path):
    """Also from somebody with a w for each layer; who is found like this is not kept for other commands."""
    ws = torch.randn(tiny.num_ws, tiny.w_dim, generator=torch.Generator().manual_seed(3)).numpy() / 2
    np.save("start.npy", ws)
    np.save("one.npy", ws[0])
    for start, words, expected in (
        ("start.npy", (), ws), ("one.npy", (), ws[:1]), ("one.npy", ("--space", "w"), ws[:1]),
    ):  # fmt: skip
        works("project", photo, "-o", "me.npz", "--force", "--steps", 0, "--start", start, *words)
        assert np.load("me.npz")["w"][0] == pytest.approx(np.broadcast_to(expected, ws.shape), abs=1e-3)
    works("project", photo, "-o", "me.npz", "--force", "--steps", 2, "--start", "start.npy")
    assert not (tmp_path / "cache" / "photos").exists()


def test_one_w_does_not_start_from_many(stylegan, photo, tiny, tiny_model):
    np.save("start.npy", np.random.RandomState(0).randn(tiny.num_ws, tiny.w_dim) / 4)
    result = stylegan("project", photo, "--space", "w", "--start", "start.npy", "--model", tiny_model)
    assert (result.exit_code, result.stderr) == (
        2, "Error: --start start.npy has a w for each layer, but --space w looks for one; leave out --space w.\n",
    )  # fmt: skip


def test_a_film_of_the_photo(works, party, direction):
    move = ("--direction", f"{direction}=-1..2", "--paste", party)
    works("edit", f"{party}#2", *move, "--frames", 2, "--out", "film.mp4", "-q")
    first, _, last = iio.imread("film.mp4")
    assert first.shape == pixels(party).shape
    works("edit", f"{party}#2", "--direction", f"{direction}=2", "--paste", party, "-o", "end.png", "-q")
    from_end = [np.abs(frame - pixels("end.png").astype(float)).mean() for frame in (first, last)]
    assert from_end[1] < min(4, from_end[0])  # the film's compression
    changed = np.abs(first.astype(float) - last).mean(axis=(0, 2)) > 1
    assert changed[560:].any() and not changed[:480].any()


def test_frames_of_the_photo_are_as_if_each_was_made_alone(works, photo, direction):
    whole = Original(Image.new("RGB", (1, 1)), SWAPPED).matched(Image.open(photo))
    whole.putalpha(Image.linear_gradient("L").resize(whole.size).point(lambda value: 192 + value // 4))
    whole.save("cut.png", icc_profile=SWAPPED)
    works("project", "cut.png", "--steps", 1, "-o", "me.npz", "-q")
    edit = ("edit", "me.npz", "--paste", "cut.png", "-q", "--direction")
    moved = (*edit, f"{direction}=-1..2")
    made, _ = works(*moved, "--frames", 2, "--out", "frames/", "--save-latents")
    assert made == [f"frames/frame0000{i}.png" for i in range(3)]
    for number, amount in ((0, -1), (2, 2)):
        works(*edit, f"{direction}={amount}", "-o", f"{number}.png")
        assert Path(f"{number}.png").read_bytes() == Path(f"frames/frame0000{number}.png").read_bytes()
    assert about("frames/frame00001.npz")["photo"]["alignment"] == about("me.npz")["photo"]["alignment"]
    assert works(*moved, "--frames", 1, "--format", "jpg")[0] == ["film/frame00000.jpg", "film/frame00001.jpg"]


def test_who_cannot_be_edited_leaves_no_place_to_others(stylegan, tiny_model, party, direction):
    Path("edits.toml").write_text(f'[[edit]]\ndirection = "{direction}"\namount = 2\n')
    words = ("edits.toml", "nobody", 5, "--paste", party, "-o", "a.png", "--model", tiny_model)
    result = stylegan("apply", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "5 was not found in" in result.stderr


def test_nobody_is_pasted_twice(stylegan, party, direction, tiny_model):
    words = ("--direction", f"{direction}=2", "--paste", party, "--model", tiny_model)
    result = stylegan("edit", party, f"{party}#1", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "party.png; name each person once" in result.stderr


def test_another_photo_of_the_same_size_is_another_photo(works, party, photo, direction):
    works("project", photo, "--steps", 1, "-o", "her.npz", "-q")
    Image.open(party).crop((0, 0, 700, 520)).resize((700, 600)).save("other.png")
    _, told = works("edit", "her.npz", "--direction", f"{direction}=2", "--paste", "other.png", "-o", "back.png")
    assert "her was not found in other.png" in " ".join(told.split())


def test_strangers_take_the_largest_face_and_it_is_said(works, party, direction):
    _, told = works("edit", 1, "--direction", f"{direction}=2", "--paste", party, "-o", "back.png")
    assert "1 was not found in" in told and "the largest face" in told
    changed = (pixels("back.png") != pixels(party)).any(axis=2)
    assert changed[:, :480].any() and not changed[:, 560:].any()


def test_a_photo_of_several_is_remarked_on(works, party):
    _, told = works("project", party, "--steps", 1)
    assert "shows 2 faces, and this is the largest" in " ".join(told.split())
    photo = Image.open(party).crop((200, 0, 512, 512))
    photo.save("cut.png")
    _, told = works("project", "cut.png", "--steps", 1)
    assert "is cut off by the photo's edge" in " ".join(told.split())


def test_a_damaged_place_costs_a_sentence(stylegan, tiny_model, works, photo, direction):
    works("project", photo, "--steps", 1, "-q")
    with np.load("me.npz") as file:
        arrays, told = dict(file), about("me.npz")
    for place in ({"quad": [[0]], "size": [1e999, 3], "face": 1, "photo": ""}, [1], "here"):
        told["photo"]["alignment"] = place
        np.savez("bad.npz", **arrays | {"about": json.dumps(told)})
        words = ("edit", "bad.npz", "--direction", f"{direction}=2", "--paste", photo, "--model", tiny_model)
        result = stylegan(*words)
        assert result.exit_code == 1
        assert "the place in a photo that bad's file records is damaged" in " ".join(result.stderr.split())


REFUSED = {
    "a space": (["project", "me.png", "--space", "z"], "--space must be one of w, w+"),
    "latents of another kind": (
        ["project", "me.png", "-o", "me.pt"],
        "latents are .npy or .npz files; for a folder of this name, use me.pt/",
    ),
    "tuned npy": (["project", "me.png", "--tune", "-o", "me.npy"], "stores more than latents"),
    "a film of another kind": (["project", "me.png", "--film", "film.avi"], "--film film.avi: films are .mp4"),
    "a film without an ending": (["project", "me.png", "--film", "1"], "--film 1: films are .mp4"),
    "a face of an aligned one": (
        ["project", "me.png#2", "--aligned"],
        "pictures, and shows one face; leave out #2",
    ),
    "no such face": (["project", "me.png#2"], "there is no me.png#2: me.png shows 1 face"),
    "no face": (["project", "sky.png"], "no face was found in sky.png"),
    "text": (["project", "text.jpg"], "text.jpg is not a picture"),
    "a truncated photo": (["project", "cut.jpg"], "cut.jpg is damaged"),
    "paste a strip": (
        ["edit", 1, "--direction", "age.npz=2", "--paste", "me.png", "--steps", 2],
        "--paste makes no strips; name one amount, a film (--out film.mp4), or a folder of frames",
    ),
    "paste a range": (
        ["edit", 1, "--direction", "age.npz=0..2", "--paste", "me.png"],
        "--paste makes no strips",
    ),
    "paste two into one place": (
        ["edit", "1,2", "--direction", "age.npz=2", "--paste", "me.png#1"],
        "me.png#1 is one face, but these are 2 people; leave out #1",
    ),
    "paste two strangers": (
        ["edit", "1,2", "--direction", "age.npz=2", "--paste", "me.png"],
        "paste one person after the other: one with stylegan paste PERSON me.png#1 -o a.png, the next with",
    ),
    "paste without a photo": (["paste", 1], "there is no photo '1'; photos are files, like me.jpg"),
    "paste nobody": (["paste", "me.png"], "missing argument 'PERSON'"),
    "latents are replaced": (
        ["average", 1, "age.npz", "--out", "age.png", "--save-latents", "--force"],
        "age.npz would replace what the result is made from",
    ),
    "a photo in layers is replaced": (
        ["mix", "--coarse", 1, "--layers", "2=me.png", "--out", "me.png", "--force"],
        "me.png would replace what the result is made from",
    ),
    "a photo in a folder is replaced": (
        ["sample", "me.png", 1, "--out", "./", "--force"],
        "me.png would replace what the result is made from",
    ),
    "a photo is replaced": (["paste", 1, "me.png#1", "--out", "me.png", "--force"], "me.png would replace what"),
    "paste in a size": (
        ["edit", 1, "--direction", "age.npz=2", "--paste", "me.png", "--size", 64],
        "faces are pasted at their original size; leave out --size",
    ),
    "paste into the sky": (
        ["edit", 1, "--direction", "age.npz=2", "--paste", "sky.png"],
        "no face was found in sky.png",
    ),
    "a person without a face": (["mix", "--coarse", "sky.png"], "no face was found in sky.png"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(stylegan, tiny_model, photo, direction, here, words, said):
    Image.new("RGB", (300, 200), "skyblue").save("sky.png")
    Path("text.jpg").write_text("no picture")
    Path("cut.jpg").write_bytes(ASTRONAUT.read_bytes()[:9000])
    before = sorted(here.iterdir())
    result = stylegan(*words, "--model", tiny_model)
    assert result.exit_code == (1 if said.startswith(("no face", "text.jpg", "cut.jpg")) else 2)
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert sorted(here.iterdir()) == before


@pytest.mark.slow
def test_a_sampled_face_is_found_by_the_default_model(stylegan, ffhq):
    """A face that its encoder has not seen; two random faces are about 6 apart."""
    assert stylegan("sample", "--seeds", 1_000_000, "--psi", 0.8, "-o", "face.png").exit_code == 0
    Image.open("face.png").save("photo.jpg", quality=95)
    result = stylegan("project", "photo.jpg", "--steps", 20)
    assert result.exit_code == 0, result.stderr
    found = about("photo.npz")["report"]
    assert found["distance"] < 1.5
    assert found["landmarks"] < 0.05


@pytest.mark.parametrize("said", [["--outdir=p1.v2"], ["-o", "p1.v2/"], ["--output=p1.v2/"]])
def test_a_folder_for_everything(works, photo, said):
    name = str(photo)
    lines, _ = works("project", "--target", name, "--num-steps=1", "--save-video=0", *said)
    assert lines == [f"p1.v2/projected_w{end}" for end in (".npz", "-projected.png", "-compare.png")]
    assert all(Path(line).is_file() for line in lines)


def test_a_name_without_an_ending_is_a_folder(works, photo):
    lines, _ = works("project", photo, "--steps", 1, "-o", "people")
    assert lines[0] == "people/projected_w.npz" and Path(lines[0]).is_file()


def test_a_folder_is_not_made_for_nothing(stylegan, tiny_model, here):
    Image.new("RGB", (64, 64)).save("me.png")
    result = stylegan("project", "me.png", "--outdir=p1", "--model", tiny_model)
    assert result.exit_code == 1
    assert not (here / "p1").exists()


def test_who_has_a_model_of_something_else_is_told_of_aligned(stylegan, here):
    """Its own pictures show no face that could be found."""
    own = ("sample", "--seeds", 2, "--psi", 2, "--model", "faces-64", "-o", "own.png")  # as good as none
    assert stylegan(*own).exit_code == 0
    Image.open("own.png").convert("RGB").save("bare.png")
    Image.new("RGB", (64, 64)).save("sky.png")
    for words in (("project", "bare.png"), ("project", "sky.png"), ("mix", "--coarse", "sky.png")):
        result = stylegan(*words, "--model", "faces-64")
        assert result.exit_code == 1
        assert "or use stylegan project --aligned if it is cropped like the model's own pictures" in result.stderr
    assert "--aligned" not in stylegan("align", "sky.png").stderr
