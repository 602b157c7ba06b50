"""The words by which people are asked for."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Origin
from stylegan_cli.latents import files, people, references
from stylegan_cli.latents.named import numbered
from stylegan_cli.latents.people import Person, from_seed
from stylegan_cli.latents.photo import Photo
from stylegan_cli.media.encode import FORMATS, encode
from stylegan_cli.media.render import render
from stylegan_cli.noise import Noise
from stylegan_cli.operations import mixing
from stylegan_cli.pictures import Face, Heatmap, Sheet
from stylegan_cli.pillow import PICTURES
from stylegan_cli.recipes import Recipe, dumps


@pytest.fixture
def resolve(tiny, here):
    def run(text, psi=0.7, cast=None):
        return references.resolve(text, tiny, psi, cast or {})

    return run


def save_picture(tiny, path, picture):
    recipe = Recipe(picture, tiny.origin.name, tiny.origin.sha256, "fp32", "cpu", 16)
    path.write_bytes(encode(render(tiny, picture, 16), path.suffix[1:], dumps(recipe)))


def test_seed(tiny, resolve):
    person = resolve("42", psi=0.3)
    expected = from_seed(tiny, 42, 0.3)
    assert torch.equal(person.ws, expected.ws)
    assert torch.equal(person.z, expected.z)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_latent_file(tiny, resolve, here, ending):
    ws = np.random.default_rng(0).normal(size=(tiny.num_ws, tiny.w_dim)).astype(np.float32)
    if ending == "npy":
        np.save(here / "jon.npy", ws)
    else:
        np.savez(here / "jon.npz", w=ws[None])
    person = resolve(f"jon.{ending}", psi=0.1)
    assert np.array_equal(person.ws.numpy(), ws)
    assert person.label == "jon"


def test_the_tensor_of_other_projects(tiny, resolve, here):
    """e4e's `latents.pt` is one tensor of several people."""
    ws = torch.randn(3, tiny.num_ws, tiny.w_dim)
    torch.save(ws, "latents.pt")
    assert torch.equal(resolve("latents.pt#1").ws, ws[1])
    torch.save(ws[2].half(), "lat.pt")
    assert torch.equal(resolve("lat.pt").ws, ws[2].half().float())
    for held in (
        {"latent": ws},
        {"latents": ws, "losses": [1.0]},
        {"w": list(ws)},
        list(ws),
        [one[None] for one in ws],
    ):
        torch.save(held, "more.pt")
        assert torch.equal(resolve("more.pt#2").ws, ws[2])
    for held, told in (
        ({"a": ws, "b": 1}, "the keys a, b"),
        ([ws, ws[0]], "2 values"),
        ([], "0 values"),
        ({}, "nothing"),
    ):
        torch.save(held, "other.pt")
        with pytest.raises(
            StyleganError, match=f"^other.pt holds {told}, and not one tensor, or several of one shape;"
        ):
            resolve("other.pt")


def test_arrays_under_other_names(tiny, resolve, here):
    ws = np.random.default_rng(0).normal(size=(2, tiny.num_ws, tiny.w_dim)).astype(np.float32)
    np.savez("unnamed.npz", ws)
    np.savez("latents.npz", latents=ws, seeds=np.arange(2))
    for name in ("unnamed.npz#1", "latents.npz#1"):
        assert np.array_equal(resolve(name).ws.numpy(), ws[1])
    np.savez("two.npz", ws, ws)
    with pytest.raises(StyleganError, match=r"its keys are arr_0, arr_1: save them with np.savez\(file, w=latents\)"):
        resolve("two.npz#0")
    np.savez("z.npz", z=ws)
    with pytest.raises(StyleganError, match=r"z.npz holds z without w, .* generator.to_w\(z\)$"):
        resolve("z.npz#0")


def test_an_axis_too_many(tiny, resolve, here):
    np.save("stacked.npy", np.zeros((3, 1, tiny.num_ws, tiny.w_dim), np.float32))
    with pytest.raises(StyleganError, match=rf"an axis too many: reshape it to \[3, {tiny.num_ws}, {tiny.w_dim}\]$"):
        resolve("stacked.npy#0")


@pytest.mark.parametrize("shape", [(1, 18, 1), (2, 18, 1), (18, 1)])
def test_one_w_in_all_layers_is_one_w_here_too(tiny, resolve, here, shape):
    """NVIDIA's projectors write it once for each layer of their model."""
    w = np.random.default_rng(0).normal(size=tiny.w_dim)
    np.savez("projected_w.npz", w=w * np.ones(shape))
    person = resolve("projected_w.npz#0")
    assert torch.equal(person.ws, torch.from_numpy(w).float().expand(tiny.num_ws, -1))


def test_latents_of_rosinalitys_projector(tiny, resolve, here):
    ws = torch.randn(2, tiny.num_ws, tiny.w_dim)
    torch.save({f"{i}.png": {"img": ws[0], "latent": w, "noise": [ws[i : i + 1]]} for i, w in enumerate(ws)}, "a.pt")
    assert torch.equal(resolve("a.pt#1").ws, ws[1])
    torch.save({"me.png": {"latent": ws[0, 0]}}, "w.pt")
    assert torch.equal(resolve("w.pt").ws, ws[0, 0].expand(tiny.num_ws, -1))
    torch.save({"ckpt": "a.pt", "eigvec": ws[0]}, "factor.pt")
    with pytest.raises(StyleganError, match="rosinality's factors, which are directions"):
        resolve("factor.pt")
    torch.save({str(i): {"latent": ws[0]} for i in range(9999)}, "flood.pt")
    with pytest.raises(StyleganError, match="its latents are larger than the file itself"):
        resolve("flood.pt")


def test_a_shape_that_does_not_fit_is_told_of_the_file(tiny, resolve, here):
    np.save("18.npy", np.eye(18, tiny.w_dim)[None])
    with pytest.raises(StyleganError, match=r"^18\.npy has shape \[1, 18, 16\]; this model"):
        resolve("18.npy")


@pytest.mark.parametrize("ending", FORMATS)
def test_picture_made_here(tiny, resolve, here, ending):
    ws = torch.randn(tiny.num_ws, tiny.w_dim)
    save_picture(tiny, here / f"face.{ending}", Face(ws))
    assert torch.equal(resolve(f"face.{ending}").ws, ws)


def test_saved_person_keeps_z_and_psi(tiny, resolve, here):
    person = from_seed(tiny, 3, 0.4)
    about = {"model": {"name": "tiny", "sha256": tiny.origin.sha256}}
    files.write_npz(here / "a.npz", person.ws[None].numpy(), about, person.z.numpy(), 0.4)
    again = resolve("a.npz")
    assert torch.equal(again.z, person.z)
    assert again.psi == 0.4


@pytest.mark.parametrize(
    ("name", "others"), [("cutoff", (1, 2)), ("chosen_class", (1, 2)), ("new_centre", torch.eye(16)[:2, None])]
)
def test_z_is_known_where_it_leads_to_the_same_person(tiny, resolve, here, monkeypatch, name, others):
    """Of another cutoff, class or centre it would lead to somebody else."""
    person = from_seed(tiny, 3, 0.4)

    def save():
        about = {"model": tiny.origin.to_plain(), "truncation": people.truncation(tiny)}
        files.write_npz(here / "a.npz", person.ws[None].numpy(), about, person.z.numpy(), 0.4)

    save()
    assert resolve("a.npz").z is not None
    for other in others:
        monkeypatch.setattr(tiny, name, other)
        assert resolve("a.npz").z is None
        save()
        assert resolve("a.npz").z is not None


def test_cast_by_name_and_by_file_name(tiny, resolve, here, tmp_path):
    np.save(tmp_path / "jon.npy", np.ones(tiny.w_dim))
    cast = {"jon": tmp_path / "jon.npy"}
    for word in ("jon", "Jon", "jon.npy", "JON.npy"):
        assert torch.equal(resolve(word, cast=cast).ws, torch.ones(tiny.num_ws, tiny.w_dim))


def test_a_file_here_comes_before_the_cast(tiny, resolve, here, tmp_path):
    np.save(tmp_path / "jon.npy", np.ones(tiny.w_dim))
    np.save(here / "jon.npy", np.zeros(tiny.w_dim))
    assert not resolve("jon.npy", cast={"jon": tmp_path / "jon.npy"}).ws.any()


@pytest.mark.parametrize("word", ["jon.png", "cast/jon", "jo", "jon.npy.npy", "", "-1", "4.2", "x" * 300])
def test_nobody_of_that_name(resolve, tmp_path, word):
    with pytest.raises(UsageError, match="the model's cast is jon"):
        resolve(word, cast={"jon": tmp_path / "jon.npy"})


@pytest.mark.parametrize("word", ["danny", "Danny", "DANI"])
def test_a_misspelled_name(resolve, tmp_path, word):
    cast = {"jon": tmp_path / "jon.npy", "dany": tmp_path / "dany.npy"}
    said = (
        rf"^unknown person '{word}' \(did you mean dany\?\): there is no such file, and the model's cast is jon, dany$"
    )
    with pytest.raises(UsageError, match=said):
        resolve(word, cast=cast)
    with pytest.raises(UsageError, match=r"^unknown person 'joffrey': there"):
        resolve("joffrey", cast=cast)


def test_a_name_with_spaces_and_without_quotes(resolve, here):
    (here / "my photo [1].jpg").touch()
    for word, whole in (("my", "my photo [1].jpg"), (here / "my", f"{here}/my photo [1].jpg")):
        with pytest.raises(UsageError, match=re.escape(f"if you mean '{whole}', put its name in quotes")):
            resolve(str(word))


def test_addresses_are_no_people(resolve):
    with pytest.raises(UsageError, match=r"fetch https://example\.org/me\.jpg first, and name the file"):
        resolve("https://example.org/me.jpg")


def test_somebody_in_a_file_of_several(tiny, resolve, here):
    np.save(here / "kids.npy", np.arange(3.0)[:, None, None] + np.zeros((3, 1, tiny.w_dim)))
    assert (resolve("kids.npy#2").ws == 2).all()
    with pytest.raises(UsageError, match=r"kids\.npy#0"):
        resolve("kids.npy")
    for text in ("kids.npy#3", "kids.npy#x", "kids.npy#-1", f"kids.npy#{'9' * 5000}"):
        with pytest.raises(UsageError, match="contains 3 people"):
            resolve(text)
    assert resolve("kids.npy#2").label == "kids#2"


def test_only_the_one_who_is_asked_for_is_made(tiny, resolve, here, monkeypatch):
    """Of a hundred thousand, all but one of them a hole in the file."""
    shape = (100_000, tiny.num_ws, tiny.w_dim)
    np.lib.format.open_memmap(here / "many.npy", "w+", np.float32, shape)[3] = 1
    made = []
    monkeypatch.setattr(people, "Person", lambda *given, **more: made.append(given) or Person(*given, **more))
    assert (resolve("many.npy#3").ws == 1).all()
    for text, said in (("many.npy#100000", "contains 100000 people, numbered"), ("many.npy", "choose one")):
        with pytest.raises(UsageError, match=said):
            resolve(text)
    assert len(made) == 1


def test_the_shape_comes_before_the_number(tiny, resolve, here):
    np.save(here / "18.npy", np.stack([np.eye(18, tiny.w_dim)] * 3))
    for text in ("18.npy#1", "18.npy#7", "18.npy"):
        with pytest.raises(StyleganError, match=r"has shape \[3, 18, 16\]"):
            resolve(text)


def test_one_of_several_has_no_z_but_the_photo_of_all(tiny, resolve, here):
    about = {"model": {"name": "tiny", "sha256": tiny.origin.sha256}, "photo": {"file": "me.jpg"}}
    files.write_npz(here / "a.npz", np.zeros((2, 1, tiny.w_dim)), about, np.zeros(tiny.z_dim), 0.4)
    person = resolve("a.npz#1")
    assert (person.z, person.photo) == (None, {"file": "me.jpg"})
    files.write_npz(here / "a.npz", np.zeros((1, 1, tiny.w_dim)), about, np.zeros(tiny.z_dim), 0.4)
    person = resolve("a.npz#0")
    assert (person.label, person.psi, person.photo) == ("a", 0.4, {"file": "me.jpg"})


def test_a_picture_of_one_person(tiny, resolve, here):
    save_picture(tiny, here / "face.png", Face(torch.zeros(tiny.num_ws, tiny.w_dim)))
    assert resolve("face.png#1").label == "face"
    for number in (0, 2):
        with pytest.raises(UsageError, match=r"face\.png contains 1 person, numbered from 1"):
            resolve(f"face.png#{number}")


def test_latents_of_another_model(tiny, resolve, here):
    about = {"model": {"name": "other", "sha256": "f" * 64}}
    files.write_npz(here / "a.npz", np.zeros((1, 1, tiny.w_dim)), about)
    with pytest.raises(StyleganError, match=r"from the model other \(ffffffffffff\).*--model"):
        resolve("a.npz")


@pytest.mark.parametrize("z", [np.zeros(3), np.full(16, np.nan), np.zeros(16, int)], ids=["short", "nan", "int"])
def test_a_broken_z_is_refused(tiny, resolve, here, z):
    np.savez(here / "a.npz", w=np.zeros(tiny.w_dim), z=z, psi=1.0)
    with pytest.raises(StyleganError, match="the z in a"):
        resolve("a.npz")


def test_somebody_on_a_sheet(tiny, resolve, here):
    """Faces are numbered from 1 in reading order, like those in photos; empty places and heat maps do not count."""
    one, two, three = (Face(torch.full((tiny.num_ws, tiny.w_dim), n / 8), Noise("random", n)) for n in (1, 2, 3))
    heat = Heatmap(one.ws, one.noise, 2)
    save_picture(tiny, here / "sheet.png", Sheet(((None, one, two), (heat, three))))
    for number, face in enumerate((one, two, three), start=1):
        person = resolve(f"sheet.png#{number}")
        assert torch.equal(person.ws, face.ws)
        assert (person.label, person.noise) == (f"sheet#{number}", face.noise)
    with pytest.raises(UsageError, match=r"sheet\.png contains 3 people; choose one, for example sheet\.png#1"):
        resolve("sheet.png")
    for number in ("0", "4", "x"):
        with pytest.raises(UsageError, match=r"sheet\.png contains 3 people, numbered from 1"):
            resolve(f"sheet.png#{number}")


def on_sheet(*captions):
    faces = [Face(torch.full((13, 16), n / 8), caption=caption) for n, caption in enumerate(captions)]
    return Sheet((tuple(faces[:2]), tuple(faces[2:])))


def test_faces_captioned_with_seeds_are_called_by_them(tiny, resolve, here):
    """What one sees is what one types: on a sheet of seeds, #7 is not the seventh face."""
    save_picture(tiny, here / "sheet.png", on_sheet("0", "7", "2", "7"))
    person = resolve("sheet.png#2")
    assert (person.label, float(person.ws[0, 0])) == ("sheet#2", 2 / 8)
    assert float(resolve("sheet.png#7").ws[0, 0]) == 1 / 8
    assert [person.label for person in references.from_file(here / "sheet.png", tiny)] == [
        "sheet#0", "sheet#7", "sheet#2", "sheet#7",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"there is no sheet\.png#1: .* contains 4 people, captioned 0, 7, 2, 7$"):
        resolve("sheet.png#1")


def test_faces_are_called_by_other_captions_too(tiny, resolve, here):
    save_picture(tiny, here / "family.png", on_sheet("jon", "child", "dany", "child"))
    jon = resolve("family.png#jon")
    assert (jon.label, float(jon.ws[0, 0])) == ("family#jon", 0)
    assert float(resolve("family.png#2").ws[0, 0]) == 1 / 8
    with pytest.raises(UsageError, match=r"2 faces on family\.png are captioned child; count them .* family\.png#1"):
        resolve("family.png#child")
    save_picture(tiny, here / "strip.png", on_sheet("age -4\nsmile 1", "age 0\nsmile 1", "age +4\nsmile 1"))
    assert float(resolve("strip.png#age +4, smile 1").ws[0, 0]) == 2 / 8


def test_a_number_has_one_meaning_on_a_sheet(tiny, resolve, here):
    """If some captions are numbers, no other number counts faces."""
    save_picture(tiny, here / "some.png", on_sheet("jon", "1", "3", "dany"))
    assert float(resolve("some.png#1").ws[0, 0]) == 1 / 8
    for number in ("2", "4"):
        with pytest.raises(UsageError, match=r"some\.png contains 4 people, captioned jon, 1, 3, dany$"):
            resolve(f"some.png#{number}")
    with pytest.raises(UsageError, match=r"choose one, for example some\.png#jon$"):
        resolve("some.png")
    labels = [person.label for person in references.from_file(here / "some.png", tiny)]
    assert labels == ["some#1", "some#2", "some#3", "some#4"]
    save_picture(tiny, here / "twice.png", on_sheet("jon", "3", "jon", ""))
    assert float(resolve("twice.png#3").ws[0, 0]) == 1 / 8
    with pytest.raises(UsageError, match=r"2 faces on twice\.png are captioned jon, which does not tell them apart$"):
        resolve("twice.png#jon")


def test_faces_of_the_figure_are_called_by_row_and_column(tiny, resolve, here):
    one, two = (people.from_seed(tiny, seed, 1) for seed in (4, 7))
    across = [people.from_seed(tiny, seed, 1) for seed in (2, 4)]
    figure = mixing.figure([one, replace(two, label="jon")], across, range(4))
    save_picture(tiny, here / "mix.png", figure)
    for text, face in (("2", figure.rows[0][1]), ("4", figure.rows[1][0]), ("jon", figure.rows[2][0])):
        assert torch.equal(resolve(f"mix.png#{text}").ws, face.ws)
    for text in ("jon + 4", "Jon+4"):
        assert torch.equal(resolve(f"mix.png#{text}").ws, figure.rows[2][2].ws)
    with pytest.raises(UsageError, match=r"8 people, captioned 2, 4, 4, 4 \+ 2, 4 \+ 4, jon, jon \+ 2, jon \+ 4$"):
        resolve("mix.png#1")


@pytest.mark.parametrize("before", ["jon, variation ", "noise ", "kids#"])
def test_faces_are_called_by_the_numbers_that_their_captions_end_in(tiny, resolve, here, before):
    """#1 is never the face captioned `variation 0`."""
    save_picture(tiny, here / "jj.png", on_sheet(*(f"{before}{n}" for n in (0, 1, 12))))
    for number, place in ((0, 0), (1, 1), (12, 2)):
        person = resolve(f"jj.png#{number}")
        assert (person.label, float(person.ws[0, 0])) == (f"jj#{number}", place / 8)
    with pytest.raises(
        UsageError, match=rf"jj\.png contains 3 people, captioned {before}0[;,] {before}1[;,] {before}12$"
    ):
        resolve("jj.png#2")
    with pytest.raises(UsageError, match=r"choose one, for example jj\.png#0$"):
        resolve("jj.png")


@pytest.mark.parametrize("said", ["Arya", "ARYA", "smile 1.5", "Smile +1.5"])
def test_captions_in_other_letters_and_without_the_plus_sign(tiny, resolve, here, said):
    save_picture(tiny, here / "cast.png", on_sheet("jon", "arya", "smile -1.5", "smile +1.5"))
    assert float(resolve(f"cast.png#{said}").ws[0, 0]) == (3 / 8 if "mile" in said else 1 / 8)


def test_a_caption_in_its_own_letters_comes_first(tiny, resolve, here):
    save_picture(tiny, here / "cast.png", on_sheet("jon", "Jon"))
    assert float(resolve("cast.png#Jon").ws[0, 0]) == 1 / 8
    with pytest.raises(UsageError, match=r"2 faces on cast\.png are captioned JON"):
        resolve("cast.png#JON")


def test_captions_are_listed_for_who_names_none_of_them(tiny, resolve, here):
    save_picture(tiny, here / "cast.png", on_sheet("jon", "dany", "", "arya"))
    for text in ("cast.png#joffrey", "cast.png#5"):
        said = rf"^there is no {text}: cast\.png contains 4 people, numbered from 1 and captioned jon, dany, arya$"
        with pytest.raises(UsageError, match=said):
            resolve(text)
    save_picture(tiny, here / "seeds.png", on_sheet("120", "121"))
    with pytest.raises(UsageError, match=r"^there is no seeds\.png#122: seeds\.png contains"):
        resolve("seeds.png#122")
    with pytest.raises(UsageError, match=r"there is no cast\.png#ayra \(did you mean arya\?\): cast"):
        resolve("cast.png#ayra")


@pytest.mark.parametrize("captions", [("a 0", "b 0"), ("smile 0", "smile +1"), ("jon", "kid 2"), ("psi 0.5", "psi 1")])
def test_numbers_that_are_not_clear_count_faces(tiny, resolve, here, captions):
    save_picture(tiny, here / "sheet.png", on_sheet(*captions))
    assert [float(resolve(f"sheet.png#{n}").ws[0, 0]) for n in (1, 2)] == [0, 1 / 8]


def test_a_single_picture_is_not_called_by_its_seed(tiny, resolve, here):
    save_picture(tiny, here / "face.png", Face(torch.zeros(13, 16), caption="42"))
    assert resolve("face.png#1").label == "face"


def test_a_heat_map_is_not_a_person(tiny, resolve, here):
    save_picture(tiny, here / "heat.png", Heatmap(torch.zeros(tiny.num_ws, tiny.w_dim), Noise("random"), 2))
    with pytest.raises(StyleganError, match="is a heat map, which shows no person"):
        resolve("heat.png")


def test_latents_without_their_ending(tiny, resolve, here):
    """They are not taken for what is meant: tomorrow the cast may have that name."""
    np.savez(here / "me.npz", w=np.zeros(tiny.w_dim))
    with pytest.raises(UsageError, match=r"unknown person 'me': there is no such file; did you mean me\.npz\?"):
        resolve("me")


def test_other_endings_are_refused(resolve, here):
    (here / "jon.txt").write_text("hello")
    with pytest.raises(
        UsageError, match=r"^jon\.txt is neither a latent file \(\.npy, \.npz, \.pt, \.pth\) nor a picture"
    ):
        resolve("jon.txt")


@pytest.mark.parametrize("ending", sorted(PICTURES))
def test_photos_of_all_kinds_that_can_be_read(resolve, here, ending):
    path = here / f"ME{ending.upper()}"
    Image.new("RGB", (8, 8)).save(path, "PNG")
    assert references.photo(str(path)) == Photo(path)
    assert references.photo(f"{path}#2") == Photo(path, 2)
    with pytest.raises(UsageError, match="name one of the faces"):
        references.photo(f"{path}#0")
    with pytest.raises(UsageError, match=r"there is no photo .dir#1.me\.jpg"):
        references.photos(["dir#1/me.jpg"])
    with pytest.raises(StyleganError, match="a picture without a recipe"):
        resolve(str(path))


@pytest.mark.parametrize(
    ("asked", "there"), [("a.jpg", "a.JPG"), ("Jürgen.jpg", "JÜRGEN.jpg"), ("Ju\u0308rgen.jpg", "J\u00fcrgen.jpg")]
)
def test_a_photo_whose_name_is_almost_right(resolve, here, asked, there):
    Path("X").mkdir()
    Image.new("RGB", (8, 8)).save(f"X/{there}")
    if Path(f"X/{asked}").is_file():
        pytest.skip("this system takes these names for the same")
    for number in ("", "#2"):
        with pytest.raises(UsageError, match=rf"^there is no photo 'X/{asked}'; there is '{there}', but capital"):
            Photo.named(f"X/{asked}{number}")
        with pytest.raises(
            UsageError, match=rf"^unknown person 'X/{asked}': there is no such file; there is '{there}'"
        ):
            resolve(f"X/{asked}{number}")
    for missing in ("X/b.jpg", "Y/a.jpg"):
        with pytest.raises(UsageError, match=rf"^there is no photo '{missing}'$"):
            Photo.named(missing)


def test_a_photo_whose_name_is_misspelled(resolve, here):
    for name in ("party.jpg", "parts.txt"):
        Path(name).touch()
    with pytest.raises(UsageError, match=r"^there is no photo 'prty.jpg' \(did you mean party.jpg\?\)$"):
        Photo.named("prty.jpg#2")
    with pytest.raises(UsageError, match=r"^unknown person 'partx.jpg': there is .* \(did you mean party.jpg\?\)$"):
        resolve("partx.jpg")
    with pytest.raises(UsageError, match=r"^there is no photo 'party'; photos are files, like me.jpg$"):
        Photo.named("party")


def test_a_picture_of_another_model(tiny, resolve, here, monkeypatch):
    save_picture(tiny, here / "face.png", Face(torch.zeros(tiny.num_ws, tiny.w_dim)))
    monkeypatch.setattr(tiny, "origin", Origin("other", "f" * 64))
    with pytest.raises(StyleganError, match=r"made with the model tiny .* but this is other"):
        resolve("face.png")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), min_size=1))
def test_seed_ranges_in_the_order_given(pairs):
    text = ",".join(f"{low}-{low + more}" if more else str(low) for low, more in pairs)
    expected = [seed for low, more in pairs for seed in range(low, low + more + 1)]
    assert [seed for seeds in references.parse_seeds(text) for seed in seeds] == expected
    assert references.split(text) == list(map(str, expected))


NO_SEEDS = ["", "a", "5-", "-5", "9-3", "-1", str(2**32), "0-4294967296", "1,,2", "1.5", "1e3", "1;2"]


@pytest.mark.parametrize("text", NO_SEEDS)
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(UsageError, match=r"seed|backwards"):
        references.parse_seeds(text)


def test_millions_of_seeds_take_no_memory():
    assert sum(map(len, references.parse_seeds("0-4294967295"))) == 2**32


def test_lists_of_people(here):
    assert references.split("1, jon ,5-7,,dany.npy#2") == ["1", "jon", "5", "6", "7", "dany.npy#2"]
    assert references.split("kids.npz#9-11,a.jpg#1-2") == [
        *(f"kids.npz#{n}" for n in (9, 10, 11)),
        "a.jpg#1",
        "a.jpg#2",
    ]
    (here / "a,b.npy").touch()
    (here / "a,b.jpg").touch()
    assert references.split("a,b.jpg#1-2") == ["a,b.jpg#1", "a,b.jpg#2"]
    assert references.split("a.jpg#1,5-6,jon") == ["a.jpg#1", "5", "6", "jon"]
    assert references.split("a.jpg#1-2,a.jpg#4") == ["a.jpg#1", "a.jpg#2", "a.jpg#4"]
    (here / "b.jpg").touch()
    (here / "c.jpg").touch()
    assert references.split("b.jpg#1-2,4") == ["b.jpg#1", "b.jpg#2", "b.jpg#4"]
    assert references.split("jon,b.jpg#1 ,3,c.jpg#2,4-5,arya,7") == [
        *("jon", "b.jpg#1", "b.jpg#3", "c.jpg#2", "c.jpg#4", "c.jpg#5", "arya", "7"),
    ]
    assert references.split("b.jpg,3") == ["b.jpg", "3"]
    (here / "take#1-2").touch()
    assert references.split("take#1-2") == ["take#1-2"]
    assert references.split("a,b.npy") == ["a,b.npy"]
    with pytest.raises(UsageError, match="contains no people"):
        references.split(" , ")
    many = list(map(str, range(1000, 1200)))
    assert references.split(",".join(many)) == many


def test_a_caption_with_a_comma_is_no_list(tiny, resolve, here):
    save_picture(tiny, here / "jj.png", on_sheet("jon, variation 0", "jon, variation 1", "cast#arya, variation 2"))
    for text, place in (
        ("jj.png#jon, variation 1", 1),
        ("jj.png#Jon, Variation 1", 1),
        ("jj.png#cast#arya, variation 2", 2),
    ):
        assert references.split(text, "jon") == [text, "jon"]
        assert float(resolve(text).ws[0, 0]) == place / 8
    assert references.split("jj.png#0,jj.png#1") == ["jj.png#0", "jj.png#1"]
    assert references.split("jj.png#0,jon") == ["jj.png#0", "jon"]
    Image.new("RGB", (8, 8)).save("party.jpg")
    assert references.split("party.jpg#1,2") == ["party.jpg#1", "party.jpg#2"]
    assert references.split("party.jpg#1,3-4,jon,2", "5") == [
        "party.jpg#1", "party.jpg#3", "party.jpg#4", "jon", "2", "5"
    ]  # fmt: skip
    Path("party.jpg").rename("Zoë, jr.jpg")
    assert references.split("Zoë, jr.jpg#1,jon, 5-6") == ["Zoë, jr.jpg#1", "jon", "5", "6"]
    assert references.split("Zoë, jr.jpg#1-2, jon") == ["Zoë, jr.jpg#1", "Zoë, jr.jpg#2", "jon"]


def test_names_of_files_and_captions_may_contain_the_sign(here):
    for name in ("a", "a#1.png"):
        Path(name).touch()
    assert numbered("a#1.png#2") == ("a#1.png", "2")
    assert numbered("a#1.png#kids#2") == ("a#1.png", "kids#2")
    assert numbered("b#1.png#2") == ("b#1.png", "2")


def test_plain_lists_read_no_pictures(tiny, here, monkeypatch):
    save_picture(tiny, here / "face.png", Face(torch.zeros(13, 16)))
    monkeypatch.setattr(references.recipes, "has_recipe", None)
    assert references.split("1,2", "face.png#1", "face.png,3") == ["1", "2", "face.png#1", "face.png", "3"]


def test_more_people_than_anybody_wants_are_refused_before_they_fill_the_memory():
    assert len(references.split("0-9998", "jon")) == references.MOST
    for texts in (["0-4000000000"], ["0-9999", "jon"]):
        with pytest.raises(UsageError, match="more than 10,000 people"):
            references.split(*texts)
