"""The verbs that make pictures, on the tiny model: same people, same pixels, wherever they come from."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import names, pixels, size_of, ws_of
from PIL import Image
from small_families import make

from stylegan_cli import modelfile, recipes
from stylegan_cli.cli import places, studio
from stylegan_cli.files import LOCK, alone
from stylegan_cli.latents import files as latent_files
from stylegan_cli.media.encode import encode
from stylegan_cli.media.render import GAP
from stylegan_cli.pictures import Face, Sheet

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")

FORMATS = ("png", "webp", "jpg")


def test_a_name_that_another_process_has_chosen(tiny_stylegan, here):
    """Its file is not there yet."""
    with alone(here / f".seed0000.png.claim{LOCK}", "is claimed"):
        assert tiny_stylegan("sample") == [Path("seed0000-2.png")]
    assert tiny_stylegan("sample") == [Path("seed0000.png")]
    assert sorted(path.name for path in here.iterdir()) == ["seed0000-2.png", "seed0000.png"]


NEW = "new/deep"
INTO_NEW_FOLDERS = {
    "picture": ("sample", "--out", f"{NEW}/a.png", "--save-latents"),
    "sheet": ("sample", "--seeds", "1,2", "--grid", "--out", f"{NEW}/a.png"),
    "film": ("interpolate", 1, 2, "--frames", 2, "--out", f"{NEW}/a.gif", "--save-latents"),
    "zip": ("sample", "-n", 2, "--dataset", f"{NEW}/a.zip"),
    "folder": ("sample", "-n", 2, "--dataset", f"{NEW}/a/"),
    "directions": ("directions", "discover", "--out", f"{NEW}/a"),
}


@pytest.mark.parametrize("words", INTO_NEW_FOLDERS.values(), ids=INTO_NEW_FOLDERS)
def test_folders_of_results_are_made(stylegan, tiny_model, words):
    result = stylegan(*words, "--model", tiny_model)
    assert result.exit_code == 0, result.stderr
    assert all(Path(line).exists() and line.startswith(NEW) for line in result.stdout.splitlines())
    assert names(Path(NEW))


def test_folders_of_models_are_made(stylegan, tiny_model):
    result = stylegan("models", "convert", tiny_model, f"{NEW}/a.safetensors")
    assert (result.exit_code, result.stdout) == (0, f"{NEW}/a.safetensors\n")


# Same seed, same pixels


def test_a_seed_has_one_face_alone_in_company_and_in_any_order(tiny_stylegan):
    (alone,) = tiny_stylegan("sample", "--seeds", 5)
    together = tiny_stylegan("sample", "--seeds", "9,5-7,1")
    assert [path.name for path in together] == [f"seed000{i}.png" for i in (9, 5, 6, 7, 1)]
    assert np.array_equal(pixels(alone), pixels("faces/seed0005.png"))
    assert not np.array_equal(pixels(alone), pixels("faces/seed0006.png"))


def test_a_cell_of_a_sheet_is_the_picture(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "1-3", "--size", 32)
    (sheet,) = tiny_stylegan("sample", "--seeds", "1-3", "--size", 32, "--grid")
    (other,) = tiny_stylegan("sample", "--seeds", "1-3", "--size", 32, "--grid", "--columns", 2)
    page, two = pixels(sheet), pixels(other)
    for i in range(3):
        left = i * (32 + GAP)
        assert np.array_equal(page[:32, left : left + 32], pixels(f"faces/seed000{i + 1}.png"))
    height = two.shape[0] // 2 + GAP // 2
    assert two.shape[1] == 64 + GAP
    assert np.array_equal(two[height : height + 32, :32], pixels("faces/seed0003.png"))


def test_columns_of_no_sheet(stylegan, tiny_model):
    result = stylegan("sample", "--seeds", "1-3", "--columns", 2, "--model", tiny_model)
    assert result.exit_code == 2
    assert result.stderr == "Error: --columns is for --grid; leave out --columns.\n"


def test_a_column_for_each_psi(tiny_stylegan):
    (sheet,) = tiny_stylegan("sample", "--seeds", "3,5", "--psis", "-1,0.5,1", "--size", 128, "--grid")
    cells = [*recipes.read(sheet).picture.cells()]
    assert [one.caption for one in cells] == [f"{seed}, psi {psi}" for seed in (3, 5) for psi in ("-1", "0.5", "1")]
    for one, (seed, psi) in zip(cells, [(seed, psi) for seed in (3, 5) for psi in (-1, 0.5, 1)], strict=True):
        (alone,) = tiny_stylegan("sample", "--seeds", seed, "--psi", psi, "--out", f"{seed}{psi}.png")
        assert torch.equal(one.ws, ws_of(alone))
    assert len(recipes.read(sheet).picture.rows) == 2
    (picked,) = tiny_stylegan("sample", f"{sheet}#5, psi 0.5")
    assert np.array_equal(pixels(picked), pixels("50.5.png"))


def test_a_column_for_each_class(stylegan, here):
    modelfile.save(make("stylegan2", c_dim=3), here / "classes.safetensors", {})

    def drawn(*words):
        result = stylegan("sample", *words, "--model", "classes.safetensors")
        assert result.exit_code == 0, result.stderr
        return Path(result.stdout.strip())

    cells = [*recipes.read(drawn("--seeds", "4-5", "--classes", "0,2")).picture.cells()]
    assert [one.caption for one in cells] == ["4, class 0", "4, class 2", "5, class 0", "5, class 2"]
    assert torch.equal(cells[3].ws, ws_of(drawn("--seeds", 5, "--class", 2)))
    assert not torch.equal(cells[2].ws, cells[3].ws)
    result = stylegan("sample", "--classes", "0-3", "--model", "classes.safetensors")
    assert (result.exit_code, "--class 3: classes has the classes 0-2" in result.stderr) == (2, True)


@pytest.mark.parametrize(("classes", "recorded"), [("0,2", None), ("2", {"class": 2})])
def test_latents_of_several_classes_name_none(stylegan, here, classes, recorded):
    modelfile.save(make("stylegan2", c_dim=3), here / "classes.safetensors", {})
    words = ["--seeds", "4", "--classes", classes, "--save-latents", "--out", "a.png"]
    result = stylegan("sample", *words, "--model", "classes.safetensors")
    assert result.exit_code == 0, result.stderr
    assert latent_files.read(Path("a.npz")).about.get("truncation") == recorded


def test_a_dataset_has_the_same_faces(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "4,2", "--size", 32, "--noise", "random")
    tiny_stylegan("sample", "--seeds", "4,2", "--size", 32, "--noise", "random", "--dataset", "data")
    for i, seed in enumerate((4, 2)):
        assert np.array_equal(pixels(f"data/00000/img0000000{i}.png"), pixels(f"faces/seed000{seed}.png"))


def test_commands_agree_on_a_face(tiny_stylegan, here):
    """The same person as a sample, as a mix of one, as an only heir and as the first frame of a film."""
    tiny_stylegan("sample", "--seeds", 5, "--out", "sample.png")
    tiny_stylegan("mix", "--coarse", 5, "--out", "mix.png")
    tiny_stylegan("blend-parents", 5, 6, "--weight", 1, "--out", "heir.png", "--no-save-latents")
    tiny_stylegan("interpolate", 5, 6, "--frames", 1, "--out", "film")
    expected = pixels("sample.png")
    for other in ("mix.png", "heir.png", "film/frame00000.png"):
        assert np.array_equal(pixels(other), expected)
    assert names(here) == ["film/frame00000.png", "film/frame00001.png", "heir.png", "mix.png", "sample.png"]


@pytest.mark.parametrize("mode", ["const", "random", "none"])
def test_noise_modes_repeat(tiny_stylegan, mode):
    (first,) = tiny_stylegan("sample", "--noise", mode)
    (second,) = tiny_stylegan("sample", "--noise", mode)
    assert first != second
    assert np.array_equal(pixels(first), pixels(second))


def test_noise_modes_and_seeds_differ(tiny_stylegan):
    made = [["const"], ["none"], ["random"], ["random", "--seed", 7]]
    pictures = [pixels(tiny_stylegan("sample", "--seeds", 0, "--noise", *words)[0]) for words in made]
    assert all(not np.array_equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


# Truncation


def test_psi(tiny_stylegan, tiny):
    tiny_stylegan("sample", "--seeds", "3,4", "--psi", 0, "--out", "average")
    assert np.array_equal(pixels("average/seed0003.png"), pixels("average/seed0004.png"))
    tiny_stylegan("sample", "--seeds", 3, "--trunc", 1, "--save-latents", "--out", "whole.png")
    z = torch.from_numpy(np.random.RandomState(3).randn(1, tiny.z_dim)).float()
    with torch.inference_mode():
        assert torch.equal(ws_of("whole.png"), tiny.broadcast(tiny.to_w(z))[0])


# Latents round trip


@pytest.mark.parametrize("ending", FORMATS)
def test_a_picture_stands_for_its_person(tiny_stylegan, ending):
    tiny_stylegan("mix", "--coarse", 1, "--fine", 2, "--out", f"child.{ending}")
    tiny_stylegan("mix", "--coarse", f"child.{ending}", "--out", "again.png")
    assert torch.equal(ws_of(f"child.{ending}"), ws_of("again.png"))


@pytest.mark.parametrize("arguments", [("sample", "--seeds", 3), ("mix", "--coarse", 1, "--fine", 2)])
def test_saved_latents_stand_for_their_person(tiny_stylegan, arguments):
    (made,) = tiny_stylegan(*arguments, "--save-latents", "--out", "a.png")
    tiny_stylegan("sample", "--latents", "a.npz", "--out", "npz.png")
    np.save("a.npy", np.load("a.npz")["w"][0])
    tiny_stylegan("sample", "--latents", "a.npy", "--out", "npy.png")
    assert np.array_equal(pixels(made), pixels("npz.png"))
    assert np.array_equal(pixels(made), pixels("npy.png"))


def test_latents_of_a_sheet_are_everybody_in_order(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "1-3", "--grid", "--save-latents", "--out", "sheet.png")
    tiny_stylegan("sample", "--seeds", "1-3", "--out", "alone")
    made = tiny_stylegan("sample", "--latents", "sheet.npz", "--out", "again")
    assert [path.name for path in made] == ["sheet-0.png", "sheet-1.png", "sheet-2.png"]
    for i, path in enumerate(made):
        assert np.array_equal(pixels(path), pixels(f"alone/seed000{i + 1}.png"))
    for which, numbers in (("1-2", [1, 2]), ("2,0", [2, 0]), ("0, 1-2", [0, 1, 2])):
        some = tiny_stylegan("sample", "--latents", f"sheet.npz#{which}", "--out", "some", "--force")
        assert [path.name for path in some] == [f"sheet-{number}.png" for number in numbers]
        for path in some:
            assert np.array_equal(pixels(path), pixels(f"again/{path.name}"))


def test_people_of_any_kind_are_drawn_together(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "3-5", "--out", "alone", "--save-latents")
    made = tiny_stylegan("sample", "alone/seed0004.npz", "5,3", "alone/seed0004.png", "--out", "together")
    assert [path.name for path in made] == ["seed0004-1.png", "5.png", "3.png", "seed0004-2.png"]
    for path, seed in zip(made, (4, 5, 3, 4), strict=True):
        assert np.array_equal(pixels(path), pixels(f"alone/seed000{seed}.png"))


def test_saved_z_lets_a_person_jitter(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", 3, "--save-latents", "--out", "a.png")
    tiny_stylegan("noise", "a.npz", "--jitter", 0.3, "-n", 1, "--out", "from-file.png")
    tiny_stylegan("noise", 3, "--jitter", 0.3, "-n", 1, "--out", "from-seed.png")
    assert np.array_equal(pixels("from-file.png"), pixels("from-seed.png"))


@pytest.mark.parametrize("truncation", [("--cutoff", 4), ("--new-center", 7)])
def test_a_z_of_another_truncation_is_not_used(tiny_stylegan, stylegan, tiny_model, truncation):
    tiny_stylegan("sample", "--seeds", 3, *truncation, "--save-latents", "--out", "a.png")
    for way in ("spherical", "circle"):
        words = ["interpolate", "a.npz", 1, "--method", way, "--frames", 2, "--model", tiny_model, "--out", f"{way}/"]
        refused = stylegan(*words)
        told = "saved from a seed with the same --cutoff, --class and --new-center"
        assert (refused.exit_code, told in refused.stderr) == (1, True)
        assert stylegan(*words, *truncation).exit_code == 0
        first = ws_of(sorted(Path(way).iterdir())[0])
        torch.testing.assert_close(first, ws_of("a.png"))


# mix


def test_mixing_somebody_with_themselves_is_them(tiny_stylegan):
    tiny_stylegan("mix", "--coarse", 3, "--middle", 3, "--fine", 3, "--out", "mix.png")
    tiny_stylegan("sample", "--seeds", 3, "--out", "sample.png")
    assert np.array_equal(pixels("mix.png"), pixels("sample.png"))


def test_bands_come_from_whom_they_should(tiny_stylegan, tiny):
    tiny_stylegan("sample", "--seeds", "1-4", "--out", "who")
    tiny_stylegan("mix", "--coarse", 1, "--middle", 2, "--fine", 3, "--layers", "0,4=4", "--out", "mix.png")
    mixed = ws_of("mix.png")
    for layer in tiny.layers:
        who = 4 if layer.index in (0, 4) else {"coarse": 1, "middle": 2, "fine": 3}[layer.band]
        assert torch.equal(mixed[layer.index], ws_of(f"who/seed000{who}.png")[layer.index])


def test_the_papers_figure(tiny_stylegan):
    words = ["mix", "--rows", "1,2", "--cols", "3-5", "--styles", "middle", "--size", 32, "--out", "figure.png"]
    tiny_stylegan(*words, "--save-latents")
    rows = recipes.read(Path("figure.png")).picture.rows
    assert [[cell is not None for cell in row] for row in rows] == [[False, True, True, True], *[[True] * 4] * 2]
    tiny_stylegan("mix", "--coarse", 2, "--middle", 4, "--fine", 2, "--size", 32, "--out", "one.png")
    assert torch.equal(rows[2][2].ws, ws_of("one.png"))
    assert np.load("figure.npz")["w"].shape[0] == 6


def test_the_figures_faces_alone(tiny_stylegan):
    """As NVIDIA's style_mixing.py writes them."""
    made = tiny_stylegan("mix", "--rows", "1,2", "--cols", "3,4", "--size", 16, "--outdir", "mixed")
    assert made == [Path("mixed") / f"{name}.png" for name in ("1-3", "1-4", "2-3", "2-4", "mix")]
    tiny_stylegan("mix", "--coarse", 3, "--middle", 2, "--fine", 2, "--size", 16, "--out", "one.png")
    assert np.array_equal(pixels("mixed/2-3.png"), pixels("one.png"))


# noise


def test_noise_variations_share_the_person_and_differ_in_pixels(tiny_stylegan):
    made = tiny_stylegan("noise", 42, "--layers", "fine", "--size", 32)
    assert [path.name for path in made] == [f"noise-{i}.png" for i in range(4)]
    assert len({pixels(path).tobytes() for path in made}) == 4
    assert all(torch.equal(ws_of(path), ws_of(made[0])) for path in made)


@pytest.mark.parametrize("saved", ["noise/noise-1.png", "noise/noise-1.npz", "three.npz#1"])
def test_a_variation_that_was_chosen_is_kept(tiny_stylegan, saved):
    """Whether the picture is used as a person, or the latents saved with it, alone or with others."""
    tiny_stylegan("noise", 42, "-n", 3, "--size", 32, "--save-latents")
    tiny_stylegan("noise", 42, "-n", 3, "--size", 32, "--grid", "--save-latents", "--out", "three.png")
    (again,) = tiny_stylegan("sample", saved, "--size", 32, "--out", "again.png")
    assert np.array_equal(pixels(again), pixels("noise/noise-1.png"))
    (mixed,) = tiny_stylegan("mix", "--coarse", saved, "--fine", 1, "--size", 32)
    assert recipes.read(mixed).picture.noise == recipes.read(Path("noise/noise-1.png")).picture.noise
    (plain,) = tiny_stylegan("sample", saved, "--size", 32, "--noise", "const", "--out", "plain.png")
    (seed,) = tiny_stylegan("sample", 42, "--size", 32, "--out", "seed.png")
    assert np.array_equal(pixels(plain), pixels(seed))


def test_a_seed_given_twice_has_two_pictures(tiny_stylegan):
    made = tiny_stylegan("sample", "--seeds", "4,2,4", "--size", 16)
    assert [path.name for path in made] == ["seed0004-1.png", "seed0002.png", "seed0004-2.png"]
    assert all(path.is_file() for path in made)


def test_mixing_by_layers_only(tiny_stylegan):
    tiny_stylegan("mix", "--layers", "coarse=3", "--layers", "middle,fine=4", "--size", 16, "--out", "layers.png")
    tiny_stylegan("mix", "--coarse", 3, "--middle", 4, "--fine", 4, "--size", 16, "--out", "bands.png")
    assert np.array_equal(pixels("layers.png"), pixels("bands.png"))
    assert (
        recipes.read(Path("layers.png")).picture.caption == "3 + 4" == recipes.read(Path("bands.png")).picture.caption
    )


def test_noise_in_no_layer_is_no_noise(tiny_stylegan):
    (made,) = tiny_stylegan("noise", 42, "--layers", "none")
    (silent,) = tiny_stylegan("noise", 42, "--strength", 0, "-n", 1)
    (plain,) = tiny_stylegan("sample", "--seeds", 42, "--noise", "none")
    assert len({pixels(path).tobytes() for path in (made, silent, plain)}) == 1


def test_variations_on_a_sheet_are_the_single_ones(tiny_stylegan):
    tiny_stylegan("noise", 42, "--size", 64, "--seed", 10, "--out", "alone")
    (sheet,) = tiny_stylegan("noise", 42, "--size", 64, "--seed", 10, "--grid")
    page = pixels(sheet)
    assert np.array_equal(page[:64, 64 + GAP :], pixels("alone/noise-11.png"))


def test_panels_and_heatmap_are_one_picture_each(tiny_stylegan):
    (panels,) = tiny_stylegan("noise", 42, "--panels", "--size", 32)
    assert len(list(recipes.read(panels).picture.cells())) == 8
    (heat,) = tiny_stylegan("noise", 42, "--heatmap", "-n", 3, "--size", 32)
    assert size_of(heat) == (32, 32)


# blend-parents


@pytest.mark.parametrize(("share", "parent"), [(1, 5), (0, 6)])
def test_a_child_with_all_of_one_parent_is_that_parent(tiny_stylegan, share, parent):
    shares = [word for band in ("--coarse", "--middle", "--fine") for word in (band, share)]
    tiny_stylegan("blend-parents", 5, 6, *shares, "--out", "child.png")
    tiny_stylegan("sample", "--seeds", parent, "--out", "parent.png")
    assert np.array_equal(pixels("child.png"), pixels("parent.png"))


def test_a_child_lies_between_its_parents_layer_by_layer(tiny_stylegan, tiny):
    tiny_stylegan("sample", "--seeds", "5,6", "--out", "who")
    one, other = (ws_of(f"who/seed000{seed}.png") for seed in (5, 6))
    words = ["--coarse", 0.7, "--middle", 0.5, "--fine", 0.3, "--layers", "0=1"]
    tiny_stylegan("blend-parents", 5, 6, *words, "--out", "child.png")
    child = ws_of("child.png")
    for layer in tiny.layers:
        share = 1 if layer.index == 0 else {"coarse": 0.7, "middle": 0.5, "fine": 0.3}[layer.band]
        expected = share * one[layer.index] + (1 - share) * other[layer.index]
        torch.testing.assert_close(child[layer.index], expected)


def test_a_family_and_its_latents(tiny_stylegan, here):
    made = tiny_stylegan("blend-parents", 5, 6, "--children", 3, "--size", 32, "--coarse", 1)
    assert [path.name for path in made] == ["child-1.png", "child-2.png", "child-3.png", "family.png"]
    assert names(here / "family") == sorted([*(p.name for p in made), *(f"child-{i}.npz" for i in (1, 2, 3))])
    assert len(list(recipes.read(made[-1]).picture.cells())) == 5
    children = [ws_of(path) for path in made[:3]]
    assert all(torch.equal(child[:4], children[0][:4]) for child in children)  # --coarse holds for all
    assert not torch.equal(children[0], children[1])
    tiny_stylegan("blend-parents", "family/child-1.npz", "family/child-2.png", "--out", "grandchild.png")
    torch.testing.assert_close(ws_of("grandchild.png"), (children[0] + children[1]) / 2)


def test_siblings_depend_on_the_seed_and_their_number_only(tiny_stylegan):
    few = tiny_stylegan("blend-parents", 5, 6, "-n", 2, "--seed", 3, "--size", 32)
    many = tiny_stylegan("blend-parents", "5,6", "-n", 3, "--seed", 3, "--size", 32)
    other = tiny_stylegan("blend-parents", 5, 6, "-n", 2, "--seed", 9, "--size", 32)
    assert [pixels(p).tobytes() for p in few[:2]] == [pixels(p).tobytes() for p in many[:2]]
    assert not np.array_equal(pixels(few[0]), pixels(other[0]))


def test_only_the_family_sheet(tiny_stylegan, here):
    tiny_stylegan("blend-parents", 5, 6, "--grid", "--size", 32)
    assert names(here) == ["family.npz", "family.png"]


# average


def test_the_average_is_the_mean_of_everybody(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "5-7", "--out", "who")
    rows = torch.stack([ws_of(f"who/seed000{seed}.png") for seed in (5, 6, 7)])
    tiny_stylegan("average", 5, "6-7", "--out", "between.png", "--save-latents")
    torch.testing.assert_close(ws_of("between.png"), rows.mean(dim=0))
    assert np.load("between.npz")["w"].shape == (1, *rows.shape[1:])
    (sheet,) = tiny_stylegan("average", 5, 6, 7, 8, "--grid", "--size", 32)
    picture = recipes.read(sheet).picture
    assert [[cell.caption for cell in row] for row in picture.rows] == [["5", "6"], ["7", "8"], ["average"]]


def test_the_average_of_nobody_else(tiny_stylegan, stylegan):
    result = stylegan("average", "jon", "--model", "faces-64")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: an average is of several people; name more than jon, like jon dany or friends.npz#0-4.\n",
    )


# replay and show

PICTURES = {
    "face": ["sample", "--seeds", 3],
    "small": ["sample", "--seeds", 3, "--size", 20],
    "random": ["sample", "--seeds", 3, "--noise", "random", "--seed", 9],
    "mix": ["mix", "--coarse", 1, "--middle", 2, "--fine", 3],
    "sheet": ["sample", "--seeds", "1-5", "--grid", "--size", 24],
    "figure": ["mix", "--rows", "1,2", "--cols", "3", "--size", 24],
    "heatmap": ["noise", 42, "--heatmap", "-n", 3],
    "panels": ["noise", 42, "--panels", "--strength", 2, "--size", 24],
    "family": ["blend-parents", 1, 2, "--grid", "--no-save-latents", "--size", 24],
    "average": ["average", 1, 2, "--grid", "--size", 24],
    "siblings": ["blend-parents", 1, 2, "-n", 3, "--grid", "--no-save-latents", "--size", 24],
    "fp32": ["sample", "--precision", "fp32"],
    "bf16": ["sample", "--precision", "bf16"],
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("words", PICTURES.values(), ids=PICTURES)
def test_replay_makes_the_same_bytes(tiny_stylegan, words, format):
    (made,) = tiny_stylegan(*words, "--format", format)
    (again,) = tiny_stylegan("replay", made)
    assert again == Path(f"{made.stem}-replay.{format}")
    assert again.read_bytes() == made.read_bytes()
    tiny_stylegan("replay", again, "--out", f"third.{format}")
    assert Path(f"third.{format}").read_bytes() == made.read_bytes()


def test_replay_needs_none_of_the_files_that_were_used(tiny_stylegan, here):
    tiny_stylegan("sample", "--seeds", 1, "--save-latents", "--out", "a.png")
    tiny_stylegan("mix", "--coarse", "a.npz", "--fine", 2, "--out", "mix.png")
    for path in (here / "a.png", here / "a.npz"):
        path.unlink()
    tiny_stylegan("replay", "mix.png", "--out", "again.png")
    assert (here / "again.png").read_bytes() == (here / "mix.png").read_bytes()


def test_replay_in_another_size_and_format(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", 1, "--size", 20, "--out", "a.webp")
    tiny_stylegan("replay", "a.webp", "--size", 40, "--out", "b.png")
    assert size_of("b.png") == (40, 40)
    tiny_stylegan("sample", "--seeds", 1, "--size", 40, "--out", "c.png")
    assert np.array_equal(pixels("b.png"), pixels("c.png"))


def test_replay_into_a_folder_keeps_the_format(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", 1, "--size", 20, "--out", "a.webp")
    tiny_stylegan("replay", "a.webp", "--out", "folder")
    assert Path("folder/a-replay.webp").read_bytes() == Path("a.webp").read_bytes()


def test_show(stylegan, tiny_stylegan):
    tiny_stylegan("mix", "--coarse", 1, "--fine", 2, "--size", 20, "--out", "mix.png")
    result = stylegan("show", "mix.png")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if not line.startswith(" "))
    assert lines["command"].startswith("stylegan mix --coarse 1 --fine 2 --size 20 --out mix.png")
    assert lines["face"] == "size   20"
    assert lines["model"].startswith("tiny (sha256 ")
    assert "1 + 2: 2 different w in 13 layers; the model's own noise\n" in result.stdout


def test_show_latents(stylegan, tiny_stylegan):
    tiny_stylegan("sample", "--seeds", 1, "--out", "a.png", "--save-latents")
    tiny_stylegan("mix", "--coarse", 1, "--fine", 2, "--out", "b.png", "--save-latents")
    seed, mixed = (stylegan("show", f"{name}.npz").stdout.splitlines() for name in "ab")
    assert seed[0] == mixed[0] == "shape       [1, 13, 16]"
    assert seed[1].startswith("command     stylegan sample --seeds 1 --out a.png --save-latents")
    assert (seed[2], mixed[2]) == ("space       W", "space       W+")
    assert seed[3].startswith("model       tiny (sha256 ")
    assert seed[4:] == ["seed's z    truncated by 0.7"] and not mixed[4:]
    np.save("c.npy", np.zeros(16, np.float32))
    assert stylegan("show", "c.npy").stdout == "shape       [16]\n"


def test_show_latents_in_json(stylegan, tiny_stylegan):
    """Also of files that say nothing about themselves, such as NVIDIA's."""
    tiny_stylegan("sample", "--seeds", 1, "--out", "a.png", "--save-latents")
    np.savez("projected_w.npz", w=np.zeros((1, 13, 16), np.float32))
    seed, projected = (json.loads(stylegan("show", name, "--json").stdout) for name in ("a.npz", "projected_w.npz"))
    assert projected == {"shape": [1, 13, 16], "z": False, "tuned": False}
    assert seed.items() > (projected | {"z": True, "psi": 0.7, "space": "W"}).items()
    assert seed["model"]["name"] == "tiny"


def test_show_tells_noise_in_words(stylegan, tiny_stylegan):
    tiny_stylegan("noise", 1, "--layers", "fine", "--seed", 5, "-n", 1, "--size", 20, "--out", "noise.png")
    tiny_stylegan("sample", "--seeds", 1, "--noise", "none", "--size", 20, "--out", "none.png")
    told = "one w for all 13 layers; random noise of seed 5: coarse 0, middle 0, fine 1\n"
    assert told in stylegan("show", "noise.png").stdout
    assert "one w for all 13 layers; no noise\n" in stylegan("show", "none.png").stdout


def test_a_recipe_cannot_forge_what_show_prints(stylegan, here):
    face = Face(torch.zeros(13, 16), caption="\x1b[2Jjon")
    recipe = recipes.Recipe(face, "tiny", "0" * 64, "fp32", "cpu", command="stylegan\nmodel       ffhq")
    (here / "a.png").write_bytes(encode(Image.new("RGB", (8, 8)), "png", recipes.dumps(recipe)))
    shown = stylegan("show", "a.png").stdout
    assert len(shown.splitlines()) == 7
    assert all(line.isprintable() for line in shown.splitlines())


def test_show_as_json_is_the_recipe(stylegan, tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "1,2", "--grid", "--size", 20, "--out", "sheet.png")
    result = stylegan("show", "sheet.png", "--json")
    assert json.loads(result.stdout)["format"] == recipes.FORMAT
    assert isinstance(recipes.loads(result.stdout, "stdout").picture, Sheet)


# Output


@pytest.mark.parametrize("ending", FORMATS)
def test_out_says_the_format(tiny_stylegan, ending):
    (made,) = tiny_stylegan("sample", "--out", f"a.{ending}")
    with Image.open(made) as image:
        assert image.format == {"png": "PNG", "webp": "WEBP", "jpg": "JPEG"}[ending]


def test_out_may_be_a_folder_that_is_there_or_not(tiny_stylegan, here):
    (here / "old.d").mkdir()
    tiny_stylegan("sample", "--out", "new", "--format", "jpg")
    tiny_stylegan("sample", "-n", 2, "--out", "old.d")
    assert names(here) == ["new/seed0000.jpg", "old.d/seed0000.png", "old.d/seed0001.png"]


def test_folders_above_a_folder_are_made_too(tiny_stylegan):
    for where in ("results/run.2", "results/v1.0"):
        assert tiny_stylegan("sample", "--size", 16, "--outdir", where) == [Path(where) / "seed0000.png"]


def test_everybody_gets_a_name_of_their_own():
    assert places.result_names(["a", "a", "a-1", "b#0"], "only") == ["a-2", "a-3", "a-1", "b-0"]
    assert places.result_names(["a", "a"], "only") == ["a-1", "a-2"]


def test_names_that_windows_or_macos_take_for_the_same_differ():
    assert places.result_names(["Jon", "JON-1", "jon"]) == ["Jon-2", "JON-1", "jon-3"]
    assert places.result_names(["Zo\u00eb", "Zoe\u0308"]) == ["Zo\u00eb-1", "Zoe\u0308-2"]


def test_nvidias_spellings(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", 1, "--noise-mode", "none", "--save-latents", "--size", 16, "--output", "a.png")
    tiny_stylegan("sample", "--projected-w", "a.npz", "--noise", "none", "--size", 16, "--out", "b.png")
    assert np.array_equal(pixels("a.png"), pixels("b.png"))


def test_what_nobody_named_replaces_nothing(tiny_stylegan, here):
    for _ in range(3):
        tiny_stylegan("mix", "--coarse", 1, "--size", 8)
        tiny_stylegan("sample", "-n", 2, "--size", 8)
    assert {path.name for path in here.iterdir()} == {
        "mix.png",
        "mix-2.png",
        "mix-3.png",
        "faces",
        "faces-2",
        "faces-3",
    }


def test_force_replaces(tiny_stylegan, here):
    (here / "a.png").write_text("old")
    tiny_stylegan("sample", "--out", "a.png", "--force")
    assert size_of("a.png") == (128, 128)


def test_quiet_prints_paths_only(stylegan, tiny_model, here):
    for words, made in (
        (("sample", "-n", 1), "seed0000.png"),
        (("interpolate", 1, 2, "--frames", 2, "--size", 16), "film.mp4"),
        (("sample", "-n", 2, "--dataset", "data.zip"), "data.zip"),
    ):
        result = stylegan(*words, "--quiet", "--model", tiny_model)
        assert (result.exit_code, result.stdout, result.stderr) == (0, f"{made}\n", "")


def test_stdout_is_the_paths_of_what_was_made(tiny_stylegan, here):
    made = tiny_stylegan("sample", "-n", 3, "--save-latents", "--size", 8)
    assert [path.as_posix() for path in made] == [f"faces/seed000{i}.png" for i in range(3)]
    assert all(path.is_file() for path in made)


@pytest.fixture
def shown():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # textual-image uses what Pillow 14 will drop
        yield


@pytest.mark.usefixtures("shown")
def test_show_previews_on_stderr(stylegan, tiny_model):
    result = stylegan("sample", "--size", 16, "--show", "--model", tiny_model)
    assert result.exit_code == 0
    assert result.stdout == "seed0000.png\n"
    assert len(result.stderr.splitlines()) > 4


@pytest.mark.usefixtures("shown")
def test_a_terminal_without_a_size_costs_no_picture(stylegan, tiny_model, monkeypatch):
    from textual_image import renderable
    from textual_image.renderable import halfcell

    monkeypatch.setattr(renderable, "Image", halfcell.Image)  # a terminal's
    monkeypatch.setattr(halfcell, "get_cell_size", lambda: 640 // 0)
    result = stylegan("sample", "-n", 2, "--size", 16, "--show", "--model", tiny_model, "--out", "faces")
    assert (result.exit_code, result.stdout) == (0, "faces/seed0000.png\nfaces/seed0001.png\n")
    assert result.stderr.count("This terminal does not report its size, so --show cannot draw there.") == 1


def test_precision_changes_little(tiny_stylegan):
    made = [
        pixels(tiny_stylegan("sample", "--precision", name, "--out", f"{name}.png")[0]) for name in ("fp32", "bf16")
    ]
    assert not np.array_equal(*made)
    error = np.square(made[0].astype(float) - made[1]).mean()
    assert 10 * np.log10(255**2 / error) > 30  # weights at random; the real model's 40 dB are tested with it


def test_random_noise_does_not_depend_on_who_else_is_named(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", 5, "--size", 16, "--save-latents", "--out", "jon.png")
    words = ("--noise", "random", "--size", 32)
    tiny_stylegan("sample", 1, "jon.npz", *words, "--out", "one")
    tiny_stylegan("sample", "jon.npz", 2, 1, *words, "--out", "other")
    tiny_stylegan("sample", "--seeds", 1, *words, "--out", "seed.png")
    assert np.array_equal(pixels("one/1.png"), pixels("other/1.png"))
    assert np.array_equal(pixels("one/jon.png"), pixels("other/jon.png"))
    assert np.array_equal(pixels("one/1.png"), pixels("seed.png"))


def test_random_noise_of_some_in_a_file_is_that_of_all(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "1-3", "--grid", "--save-latents", "--out", "sheet.png")
    words = ("--noise", "random", "--size", 32)
    tiny_stylegan("sample", "--latents", "sheet.npz", *words, "--out", "all")
    for path in tiny_stylegan("sample", "--latents", "sheet.npz#2,1", *words, "--out", "some"):
        assert np.array_equal(pixels(path), pixels(f"all/{path.name}"))


def test_random_noise_is_everybodys_own_and_nobodys_neighbours(tiny_stylegan):
    """The noise of seed 5 is the same alone and in company, and not that of seed 4."""
    tiny_stylegan("sample", "--seeds", 5, "--noise", "random", "--out", "alone.png")
    tiny_stylegan("sample", "--seeds", "4,5", "--noise", "random", "--out", "both")
    alone, four, five = (
        recipes.read(Path(p)).picture.noise for p in ("alone.png", "both/seed0004.png", "both/seed0005.png")
    )
    assert alone == five
    assert four.seed != five.seed


def test_a_recipe_without_room_is_said(stylegan, tiny_model, tiny):
    np.save("people.npy", np.random.RandomState(0).randn(80, tiny.num_ws, tiny.w_dim).astype(np.float32))
    words = ("sample", "--latents", "people.npy", "--grid", "--size", 8)
    result = stylegan(*words, "--model", tiny_model, "--out", "a.jpg")
    assert (result.exit_code, result.stdout) == (0, "a.jpg\n")
    assert "without its recipe" in result.stderr


def test_replay_has_the_limit_of_sheets(stylegan, tiny_stylegan, tiny_model):
    tiny_stylegan("sample", "-n", 4, "--grid", "--size", 16, "--out", "a.png")
    result = stylegan("replay", "a.png", "--size", 8192, "--model", tiny_model)
    assert (result.exit_code, "is too large; use a smaller --size" in result.stderr) == (2, True)


def test_replay_uses_the_recipes_threads(tiny_stylegan, monkeypatch):
    tiny_stylegan("sample", "--seeds", 5, "--out", "a.png")
    used = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    tiny_stylegan("replay", "a.png", "--out", "b.png")
    assert used == [recipes.read(Path("a.png")).threads] == [torch.get_num_threads()]


def test_replay_starts_no_more_threads_than_are_of_use(stylegan, tiny_stylegan, tiny_model, monkeypatch):
    """Whatever another person's picture says."""
    tiny_stylegan("sample", "--seeds", 5, "--out", "a.png")
    recipe = replace(recipes.read(Path("a.png")), threads=1024)
    Path("b.png").write_bytes(encode(Image.open("a.png"), "png", recipes.dumps(recipe)))
    monkeypatch.setattr(studio, "processors", lambda: 2)
    used = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    result = stylegan("replay", "b.png", "--out", "c.png", "--model", tiny_model)
    assert (result.exit_code, "made by 1024 threads, more than the 2 that are of use" in result.stderr) == (0, True)
    assert used == [recipes.read(Path("c.png")).threads] == [2]


def test_cutoff_spares_the_layers_from_it_on(tiny_stylegan):
    for name, words in {"plain": ["--psi", 1], "all": ["--psi", 0.5], "some": ["--psi", 0.5, "--cutoff", 3]}.items():
        tiny_stylegan("sample", "--seeds", 5, *words, "--out", f"{name}.png")
    some = ws_of("some.png")
    assert torch.equal(some[:3], ws_of("all.png")[:3])
    assert torch.equal(some[3:], ws_of("plain.png")[3:])


@pytest.fixture
def centre(here, tiny):
    """Somebody whose layers differ, in a file."""
    ws = np.random.default_rng(0).normal(0, 0.5, (tiny.num_ws, tiny.w_dim)).astype(np.float32)
    np.save("her.npy", ws)
    return torch.from_numpy(ws)


def test_relatives_of_somebody(tiny_stylegan, centre):
    """Each is as far between her and whoever the seed is whole; she may come from latents, a picture, or a seed."""
    tiny_stylegan("sample", "her.npy", "--out", "her.png")
    tiny_stylegan("sample", 5, "--psi", 1, "--out", "whole.png")
    for who in ("her.npy", "her.png"):
        tiny_stylegan("sample", 5, "--psi", 0.25, "--new-center", who, "--out", "a.png", "--force")
        torch.testing.assert_close(ws_of("a.png"), centre + 0.25 * (ws_of("whole.png") - centre))
    tiny_stylegan("sample", 5, "--psi", 0.25, "--new-center", "her.npy", "--cutoff", 3, "--out", "cut.png")
    assert torch.equal(ws_of("cut.png")[:3], ws_of("a.png")[:3])
    assert torch.equal(ws_of("cut.png")[3:], ws_of("whole.png")[3:])
    for psi in (0, 0.5):
        tiny_stylegan("sample", 5, "--psi", psi, "--new-center", 5, "--out", "self.png", "--force")
        torch.testing.assert_close(ws_of("self.png"), ws_of("whole.png"))


def test_pictures_of_relatives_are_made_again_without_their_centre(tiny_stylegan, stylegan, centre):
    tiny_stylegan("sample", "--seeds", "1-3", "--new-center", "her.npy", "--grid", "--out", "a.png")
    told = stylegan("show", "a.png").stdout
    Path("her.npy").unlink()
    tiny_stylegan("replay", "a.png", "--out", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert "--new-center her.npy" in told
    assert "13 different w in 13 layers" in told


def test_only_seeds_have_another_centre(tiny_stylegan, centre):
    """People who are known do not change beside them, nor do their variations."""
    tiny_stylegan("sample", 3, "her.npy", "--new-center", 7, "--out", "both/")
    assert torch.equal(ws_of("both/her.png"), centre)
    tiny_stylegan("noise", "her.npy", "--jitter", 1, "-n", 1, "--out", "a.png")
    tiny_stylegan("noise", "her.npy", "--jitter", 1, "-n", 1, "--new-center", 7, "--out", "b.png")
    assert torch.equal(ws_of("a.png"), ws_of("b.png"))
    tiny_stylegan("noise", 3, "--jitter", 0, "-n", 1, "--new-center", 7, "--out", "c.png")
    assert torch.equal(ws_of("c.png"), ws_of("both/3.png"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("3 --new-center 1,2", "--new-center is one person, but '1,2' names several; give one of them"),
        ("3 --new-center 1-3", "--new-center is one person, but '1-3' names several; give one of them"),
        ("3 --new-center two.npy", "two.npy contains 2 people; choose one, for example two.npy#0"),
        ("3 --new-center nobody", "unknown person 'nobody': there is no such file, and this model has no cast"),
        ("3 --new-center=", "'' contains no people"),
        ("3 --new-center 1 --psi 1", "--psi 1 truncates nobody; leave out --new-center, or use a smaller --psi"),
        ("two.npy#0 --new-center 1", "latents are used unchanged; leave out --new-center"),
        ("3 --new-center me.jpg", "me.jpg is a photo; run stylegan project me.jpg, and give what it writes"),
        ("3 --new-center wide.npy", "wide.npy has shape [18, 16]"),
    ],
)
def test_centres_that_cannot_be(stylegan, tiny_model, tiny, words, said):
    np.save("two.npy", np.zeros((2, 1, tiny.w_dim), np.float32))
    np.save("wide.npy", np.eye(18, 16, dtype=np.float32))
    Image.new("RGB", (8, 8)).save("me.jpg")
    result = stylegan("sample", *words.split(), "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1 if "wide" in words else 2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "sample 3,one.npz",
        "mix --rows one.npz --cols 3",
        "interpolate one.npz --fine 3 --frames 2",
        "apply edits.json one.npz 3",
        "noise one.npz --jitter 1 -n 1 --cutoff 4",
    ],
)
def test_truncation_needs_one_seed_among_the_people(tiny_stylegan, tiny, words):
    """In z, a cutoff also says which z of latents is used."""
    tiny_stylegan("sample", "--seeds", 1, "--cutoff", 4, "--save-latents", "--out", "one.png")
    np.save("smile.npy", np.full((tiny.num_ws, tiny.w_dim), 0.01, np.float32))
    Path("edits.json").write_text('{"edit": [{"smile.npy": 1}]}')
    truncation = [] if "--cutoff" in words else ["--psi", 0.5]
    assert tiny_stylegan(*words.split(), *truncation, "-q")


def test_new_names_have_new_latents(tiny_stylegan):
    """Nobody has named them, so there is nothing to force."""
    words = ("sample", "--seeds", 1, "--size", 8, "--save-latents")
    assert tiny_stylegan(*words) == [Path("seed0001.png")]
    assert tiny_stylegan(*words, "--format", "jpg") == [Path("seed0001-2.jpg")]
