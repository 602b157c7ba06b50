"""Recipes: whatever a picture is made of survives the way through its file, and what is damaged is refused."""

import base64
import json
import tracemalloc
import zlib
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from png_by_hand import chunk

from stylegan_cli import recipes
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Origin
from stylegan_cli.media.encode import FORMATS, encode
from stylegan_cli.noise import MODES, Noise
from stylegan_cli.pictures import WHOLE, Face, Heatmap, Sheet
from stylegan_cli.pillow import CHUNK, EXIF_DESCRIPTION
from stylegan_cli.recipes import Recipe, dumps, loads
from stylegan_cli.tuning import Tuning, whole

strengths = st.floats(0, 10)
noises = st.builds(Noise, st.sampled_from(MODES), st.integers(0, 2**32), strengths, strengths, strengths)
latents = st.integers(0, 2**32).map(lambda seed: torch.randn(5, 4, generator=torch.Generator().manual_seed(seed)))
parts = st.sampled_from([WHOLE, (0.25, 0.0, 0.5), (0.0, 0.75, 0.25)])
faces = st.builds(Face, latents, noises, st.text(), part=parts)
heatmaps = st.builds(Heatmap, latents, noises, st.integers(1, 100), st.text())
cells = faces | heatmaps
rows = st.lists(st.tuples(cells, st.none() | cells), min_size=1, max_size=3)
named = rows.flatmap(lambda rows: st.tuples(st.just(rows), st.lists(st.text(), min_size=len(rows), max_size=len(rows))))
pictures = (
    cells
    | st.builds(lambda rows, centred: Sheet(tuple(rows), centred=centred), rows, st.booleans())
    | named.map(lambda both: Sheet(tuple(both[0]), tuple(both[1])))
)
made = st.builds(
    Recipe, pictures, st.text(), st.text(), st.text(), st.text(), st.none() | st.integers(1, 8192), st.text()
)


def same(a, b):
    """Whether two pictures as values are equal: tensors have no plain ==."""
    if isinstance(a, Sheet):
        alike = a.names == b.names and a.centred == b.centred and list(map(len, a.rows)) == list(map(len, b.rows))
        return alike and all(
            same(x, y) for left, right in zip(a.rows, b.rows, strict=True) for x, y in zip(left, right, strict=True)
        )
    if a is None or b is None:
        return a is b
    plain = [field.name for field in fields(a) if field.name != "ws"]
    return type(a) is type(b) and torch.equal(a.ws, b.ws) and all(getattr(a, n) == getattr(b, n) for n in plain)


def example(num_ws=5, w_dim=4):
    face = Face(torch.randn(num_ws, w_dim), Noise("random", 3, fine=0.5), "jon", part=(0.25, 0.0, 0.5))
    sheet = Sheet(((face, None), (face, Heatmap(face.ws, face.noise, 7))), ("jon", ""), centred=True)
    return Recipe(sheet, "tiny", "0" * 64, "fp32", "cpu", 16, "stylegan mix")


@given(made)
def test_text_and_back(recipe):
    again = loads(dumps(recipe), "x")
    assert same(again.picture, recipe.picture)
    others = [field.name for field in fields(Recipe) if field.name != "picture"]
    assert all(getattr(again, name) == getattr(recipe, name) for name in others)
    assert dumps(again) == dumps(recipe)


@pytest.mark.parametrize("format", FORMATS)
def test_file_and_back(tmp_path, format):
    recipe, path = example(), tmp_path / f"a.{format}"
    path.write_bytes(encode(Image.new("RGB", (8, 8)), format, dumps(recipe)))
    assert same(recipes.read(path).picture, recipe.picture)


def test_what_cannot_be_read_again_does_not_fit(monkeypatch):
    monkeypatch.setattr(recipes, "MAX_LATENTS", 100)
    face = Face(torch.randn(5, 4))
    for count, said in ((5, True), (6, False)):
        sheet = Sheet(((face,) * count,))
        assert recipes.fits(sheet) == said
        text = dumps(Recipe(sheet, "m", "0", "fp32", "cpu"))
        with nullcontext() if said else pytest.raises(StyleganError, match="its faces have 120 values"):
            loads(text, "a.png")


def test_people_who_repeat_are_stored_once():
    face = Face(torch.randn(5, 4))
    once = dumps(Recipe(Sheet(((face,),)), "m", "0", "fp32", "cpu"))
    often = dumps(Recipe(Sheet(((face,) * 50,)), "m", "0", "fp32", "cpu"))
    assert json.loads(once)["latents"] == json.loads(often)["latents"]


def test_a_text_chunk_behind_the_pixels_is_found(tmp_path):
    """Other programs may move chunks."""
    content = encode(Image.new("RGB", (8, 8)), "png", "{}")
    recipe = chunk(b"tEXt", f"{CHUNK}\0{dumps(example())}".encode())
    end = content.rindex(b"IEND") - 4
    start = content.index(b"tEXt") - 4
    stop = content.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(content[:start] + content[stop:end] + recipe + content[end:])
    assert recipes.read(tmp_path / "a.png").model == "tiny"


def test_a_picture_without_a_recipe(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(StyleganError, match="without a recipe"):
        recipes.read(tmp_path / "a.png")


@pytest.mark.parametrize("description", ["OLYMPUS DIGITAL CAMERA", '{"app": "camera"}', "{sunset}"])
def test_a_cameras_description_is_no_recipe(tmp_path, description):
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = description
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(StyleganError, match="without a recipe"):
        recipes.read(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_picture(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(StyleganError, match="cannot be read as a picture"):
        recipes.read(tmp_path / "a.png")


def test_a_truncated_picture(tmp_path):
    content = encode(Image.effect_noise((64, 64), 50).convert("RGB"), "png", None)
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(StyleganError, match="cannot be read as a picture"):
        recipes.read(tmp_path / "a.png")


def test_a_recipe_of_another_format_names_the_version_that_wrote_it():
    plain = json.loads(dumps(example())) | {"format": 99, "version": "7.0"}
    with pytest.raises(StyleganError, match=r"format 99, written by version 7\.0"):
        loads(json.dumps(plain), "a.png")


def test_what_came_later_is_not_in_recipes_without_it():
    """Those of older pictures are read, and written as they were."""
    face = Face(torch.randn(5, 4), caption="jon")
    plain = json.loads(dumps(Recipe(Sheet(((face,),)), "m", "0", "fp32", "cpu")))
    assert set(plain["picture"]) == {"rows"}
    assert "part" not in plain["picture"]["rows"][0][0]
    del plain["picture"]["rows"][0][0]["translate"], plain["picture"]["rows"][0][0]["rotate"]
    assert same(loads(json.dumps(plain), "a.png").picture, Sheet(((face,),)))


@pytest.mark.parametrize("text", ["{", "[]", "5", "null", "{}", '{"format": 1}', "[" * 100_000])
def test_what_is_no_recipe(text):
    with pytest.raises(StyleganError, match=r"a\.png has a damaged recipe"):
        loads(text, "a.png")


def leaves(plain, path=()):
    """The paths to every value inside nested lists and dicts, the containers among them."""
    yield path
    items = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key))


def replaced(plain, path, value):
    if not path:
        return value
    copy = plain.copy()
    copy[path[0]] = replaced(plain[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("junk", [None, -1, 0, 10**6, 0.5, "x", [], {}, [[]], float("nan")], ids=repr)
def test_junk_anywhere_is_a_sentence_or_harmless(tiny, junk):
    """Every value of a recipe in turn is replaced: loads and check_model refuse it, or a picture that makes sense."""
    plain = json.loads(dumps(example(tiny.num_ws, tiny.w_dim)))
    for path in leaves(plain):
        try:
            recipe = loads(json.dumps(replaced(plain, path, junk)), "a.png")
            recipe.check_model(tiny, "a.png")
        except StyleganError as error:
            assert "a.png" in str(error)
            continue
        found = list(recipe.picture.cells()) if isinstance(recipe.picture, Sheet) else [recipe.picture]
        assert all(cell.ws.dtype == torch.float32 and cell.ws.isfinite().all() for cell in found), path
        assert all(cell.ws.shape == (tiny.num_ws, tiny.w_dim) for cell in found), path
        assert all(isinstance(cell.caption, str) for cell in found), path
        assert recipe.size is None or recipe.size >= 0, path
        assert all(cell.count > 0 for cell in found if isinstance(cell, Heatmap)), path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("size",), 8193),
        (("threads",), 10**6),
        (("picture", "rows", 1, 1, "count"), 10**6),
        (("picture", "rows", 0, 0, "rotate"), float("inf")),
        (("picture", "rows", 0, 0, "translate"), [float("nan"), 0]),
        (("picture", "rows", 0, 0, "noise", "fine"), 10**400),
        (("picture", "rows", 0, 0, "part"), [0.75, 0, 0.5]),
        (("picture", "rows", 0, 0, "part"), [0, 0, 0]),
        (("picture", "rows", 0, 0, "part"), [0, float("nan"), 0.5]),
        (("picture", "names"), ["jon"]),
        (("picture", "names"), ["jon", 5]),
        (("picture", "centred"), 1),
        (("picture", "rows", 0, 0, "ws"), [[0, 1, 2, 3, 4]]),
    ],
    ids=str,
)
def test_what_no_command_writes(path, value):
    plain = json.loads(dumps(example()))
    with pytest.raises(StyleganError, match="damaged recipe"):
        loads(json.dumps(replaced(plain, path, value)), "a.png")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_latents_that_are_not_finite(value):
    plain = json.loads(dumps(example()))
    rows = np.frombuffer(base64.b85decode(plain["latents"]["rows"]), "<f4").copy()
    rows[3] = value
    plain["latents"]["rows"] = base64.b85encode(rows.tobytes()).decode()
    with pytest.raises(StyleganError, match=r"damaged recipe \(its latents are not finite\)"):
        loads(json.dumps(plain), "a.png")


def test_a_tuning_without_end_takes_little_memory():
    """It is refused when more than its shape announces was unpacked."""
    factor = torch.zeros(4, 2, dtype=torch.float16)
    tuned = whole(Tuning({"a": (factor, factor.T)}, {}), 5)
    plain = json.loads(dumps(Recipe(Face(torch.randn(5, 4), tuned=tuned), "m", "0", "fp32", "cpu")))
    packer, zeros = zlib.compressobj(), bytes(1 << 20)
    packed = b"".join([*(packer.compress(zeros) for _ in range(100)), packer.flush()])
    plain["latents"]["tunings"][0]["a/left"][2] = base64.b85encode(packed).decode()
    text = json.dumps(plain)
    tracemalloc.start()
    try:
        with pytest.raises(StyleganError, match="its tuning's a/left is not 16 bytes long"):
            loads(text, "a.png")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_faces_of_too_many_values(monkeypatch):
    text = dumps(example())
    monkeypatch.setattr(recipes, "MAX_LATENTS", 3 * 5 * 4)
    loads(text, "a.png")
    monkeypatch.setattr(recipes, "MAX_LATENTS", 3 * 5 * 4 - 1)
    with pytest.raises(StyleganError, match="its faces have 60 values"):
        loads(text, "a.png")


def test_what_does_not_fit_into_memory(monkeypatch):
    def too_large(_text):
        raise MemoryError

    monkeypatch.setattr(recipes.json, "loads", too_large)
    with pytest.raises(StyleganError, match="damaged recipe"):
        loads("{}", "a.png")


def test_a_missing_entry_is_damage():
    plain = json.loads(dumps(example()))
    for key in ("picture", "latents", "model", "sha256", "precision", "device"):
        with pytest.raises(StyleganError, match="damaged"):
            loads(json.dumps({k: v for k, v in plain.items() if k != key}), "a.png")


def test_the_model_must_be_the_one(tiny, monkeypatch):
    recipe = Recipe(Face(torch.zeros(tiny.num_ws, tiny.w_dim)), "tiny", tiny.origin.sha256, "fp32", "cpu")
    recipe.check_model(tiny, "a.png")
    monkeypatch.setattr(tiny, "origin", Origin("other", "f" * 64))
    with pytest.raises(StyleganError, match=r"made with the model tiny .*but this is other"):
        recipe.check_model(tiny, "a.png")


@pytest.mark.parametrize("shape", [(3, 16), (13, 8), (18, 16)])
def test_latents_that_do_not_fit_the_model(tiny, shape):
    recipe = Recipe(Sheet(((Face(torch.zeros(shape)),),)), "tiny", tiny.origin.sha256, "fp32", "cpu")
    with pytest.raises(StyleganError, match=r"has latents .* the model takes \[13, 16\]"):
        recipe.check_model(tiny, "a.png")


def test_a_photo_of_an_iphone_has_no_recipe():
    """It is read, to say so: that its format is unknown would be no help."""
    with pytest.raises(StyleganError, match=r"phone\.heic is a picture without a recipe"):
        recipes.read(Path(__file__).parent / "golden" / "phone.heic")


def test_a_picture_that_was_replaced_is_read_again(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.new("RGB", (8, 8)), "png", ""))
    assert not recipes.has_recipe(path)
    path.write_bytes(encode(Image.new("RGB", (8, 8)), "png", '{"stylegan": "a recipe"}'))
    assert recipes.has_recipe(path)
    path.unlink()
    assert not recipes.has_recipe(path)


def test_a_large_picture_is_not_read_again_at_every_move_of_a_slider(tmp_path, monkeypatch):
    path, read = tmp_path / "a.png", []
    path.write_bytes(encode(Image.new("RGB", (8, 8)), "png", ""))
    monkeypatch.setattr(recipes, "_text", lambda path: read.append(path) or "")
    assert not any(recipes.has_recipe(path) for _ in range(3))
    assert len(read) == 1
