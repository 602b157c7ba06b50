"""`stylegan align` from photo to face, and what it says of photos that it cannot use."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from looking import contents, pixels, size_of
from PIL import Image
from png_by_hand import png

from stylegan_cli.cli.console import fetch
from stylegan_cli.faces import alignment, pasting
from stylegan_cli.faces.detection import DETECTOR
from stylegan_cli.files import file_digest
from stylegan_cli.media import photos

GOLDEN = Path(__file__).parents[1] / "golden"
USAGE, REST = 2, 1


@pytest.fixture
def her(here):
    """One face: `her.png`."""
    path = Path("her.png")
    Image.open(GOLDEN / "astronaut.jpg").save(path)
    return path


@pytest.fixture
def party(here, faces):
    """Three faces, and one too small: `party.png`."""
    photo = Image.new("RGB", (560, 260), "gray")
    for name, edge, corner in [("old", 192, (10, 20)), ("baby", 150, (220, 40)), ("down", 96, (390, 20))]:
        photo.paste(faces[name].resize((edge, edge), Image.Resampling.LANCZOS), corner)
    photo.paste(faces["laughing"].resize((56, 56), Image.Resampling.LANCZOS), (490, 180))
    photo.save("party.png")
    return Path("party.png")


@pytest.fixture
def works(stylegan):
    """Runs a command that must end well; returns the paths written and what was told, but for what is fetched once."""
    fetch(DETECTOR)

    def run(*words):
        result = stylegan("align", *words)
        assert result.exit_code == 0, result.stderr
        return [Path(line) for line in result.stdout.splitlines()], result.stderr

    return run


@pytest.fixture
def refused(stylegan, here):
    """Runs a command that must be refused without leaving anything; returns what it says."""

    def run(code, *words):
        before = contents(here)
        result = stylegan("align", *words)
        assert (result.exit_code, result.stdout) == (code, "")
        assert contents(here) == before
        assert "unexpected" not in result.stderr
        return " ".join(line.strip("│ ") for line in result.stderr.splitlines())

    return run


def middle(path):
    """Where in its photo an aligned face lies."""
    return alignment.read(path).corners.mean(axis=0)


# Faces


def test_a_face_and_the_way_back(works, her):
    (path,), told = works(her)
    assert path == Path("her-aligned.png")
    assert told == "her.png: face 1 is small: eyes 30 pixels apart, in a crop of 121.\n"
    assert size_of(path) == (1024, 1024)
    cut = alignment.read(path)
    assert (cut.size, cut.face, cut.photo) == ((360, 360), 1, file_digest(her))
    photo = photos.read(her)
    face = photos.read(path)
    back = pasting.paste(photo, face, cut, face)
    assert np.abs(np.asarray(back, int) - np.asarray(photo, int)).mean() < 0.3


def test_the_largest_of_several(works, party):
    (path,), told = works(party, "--size", 64)
    assert size_of(path) == (64, 64)
    assert middle(path) == pytest.approx((106, 116), abs=5)
    assert told.startswith(
        "party.png shows 4 faces, and this is the largest; party.png#2 is the next, --all takes all, "
    )
    assert "--overview numbers them.\n" in told


def test_show_tells_where_a_face_was(stylegan, works, party):
    (path,), _ = works(party, "--size", 64)
    result = stylegan("show", path)
    assert result.exit_code == 0
    found = json.loads(stylegan("show", path, "--json").stdout)
    assert found["alignment"]["size"] == [560, 260]
    assert result.stdout.startswith("aligned     face 1 of a photo of 560 x 260 pixels (sha256 ")


def test_a_place_cannot_control_the_terminal(stylegan, here, faces):
    cut = alignment.Alignment(((0, 0), (0, 64), (64, 64), (64, 0)), (64, 64), photo="\x1b[2J")
    Path("cut.png").write_bytes(alignment.to_png(faces["baby"], cut, "me.jpg"))
    assert "(sha256 \\x1b[2J)" in stylegan("show", "cut.png").stdout


@pytest.mark.parametrize(("face", "centre"), [(1, (106, 116)), (2, (295, 115)), (3, (438, 68))])
def test_one_of_several(works, party, face, centre):
    (path,), told = works(f"{party}#{face}", "--size", 64)
    assert path.name == f"party-{face}-aligned.png"
    assert middle(path) == pytest.approx(centre, abs=5)
    assert alignment.read(path).face == face
    assert "this is the largest" not in told


def test_all_of_several(works, party):
    paths, told = works(party, "--all", "--size", 64)
    assert paths == [Path(f"aligned/party-{number}-aligned.png") for number in (1, 2, 3)]
    assert told.startswith("party.png: 1 of 4 faces left out as too small.\n")
    assert [alignment.read(path).face for path in paths] == [1, 2, 3]
    assert {str(path) for path in Path("aligned").iterdir()} == set(map(str, paths))


def test_an_overview(works, party):
    (overview, path), told = works(f"{party}#2", "--overview", "--size", 64)
    assert (overview, path) == (Path("party-overview.png"), Path("party-2-aligned.png"))
    assert size_of(overview) == (560, 260)
    assert (pixels(overview) != pixels(party)).any()
    assert "this is the largest" not in told
    (overview, _), told = works(party, "--overview", "--size", 64)
    assert "--all takes all, party-overview-2.png numbers them." in told


def test_an_overview_is_made_where_the_face_asked_for_is_not(stylegan, party):
    result = stylegan("align", f"{party}#9", "--overview")
    assert (result.exit_code, result.stdout) == (USAGE, "party-overview.png\n")
    assert (
        result.stderr == "Error: there is no party.png#9: party.png shows 4 faces; party-overview.png numbers them.\n"
    )
    assert not Path("party-aligned.png").exists()


def test_quiet(works, party):
    made, told = works(party, "--all", "--overview", "--quiet", "--size", 64)
    assert sorted(made) == sorted(Path("aligned").iterdir())
    assert (len(made), told) == (4, "")


def test_many_photos(works, her, party):
    paths, _ = works(her, party, "--size", 64)
    assert paths == [Path("aligned/her-aligned.png"), Path("aligned/party-aligned.png")]


def test_photos_of_one_name_do_not_replace_each_other(works, her):
    Path("b").mkdir()
    Path("b/her.png").write_bytes(her.read_bytes())
    paths, _ = works(her, "b/her.png", "-o", "out", "--size", 64)
    assert paths == [Path("out/her-1-aligned.png"), Path("out/her-2-aligned.png")]


def test_what_can_be_aligned_is_aligned(stylegan, her):
    Path("letter.jpg").write_text("Dear Ann")
    Image.new("RGB", (64, 64)).save("night.png")
    result = stylegan("align", "letter.jpg", her, "night.png", "--size", 64)
    assert (result.exit_code, result.stdout) == (REST, "aligned/her-aligned.png\n")
    letter, _small, night, last = result.stderr.splitlines()
    assert letter.startswith("Error: letter.jpg is not a picture of a known format; ")
    assert night.startswith("Error: no face was found in night.png; ")
    assert last == "Error: 2 of 3 photos could not be aligned."


def test_crops_differ_by_nothing_but_size(works, her):
    works(her, "-o", "a.png")
    works(her, "-o", "b.png", "--size", 128)
    assert alignment.read(Path("a.png")) == alignment.read(Path("b.png"))
    small = Image.open("a.png").resize((128, 128), Image.Resampling.BOX)
    assert np.abs(np.asarray(small, int) - pixels("b.png")).mean() < 2


# Photos of all kinds


def turned(face, path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    face.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)


def transparent(face, path):
    whole = face.convert("RGBA")
    whole.putalpha(230)
    whole.save(path)


def huge(face, path):
    """100 megapixels, of which the face takes 4."""
    photo = Image.new("RGB", (12_000, 8_400), "gray")
    photo.paste(face.resize((2000, 2000)), (5000, 3000))
    photo.save(path, quality=80)


KINDS = {
    "cmyk.jpg": lambda face, path: face.convert("CMYK").save(path, quality=95),
    "grey.jpg": lambda face, path: face.convert("L").save(path, quality=95),
    "grey16.png": lambda face, path: Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257).save(path),
    "transparent.png": transparent,
    "turned.jpg": turned,
    "animated.gif": lambda face, path: face.save(path, save_all=True, append_images=[Image.new("RGB", face.size)]),
    "animated.webp": lambda face, path: face.save(path, save_all=True, append_images=[Image.new("RGB", face.size)]),
    "palette.png": lambda face, path: face.quantize().save(path),
    "cut off.png": lambda face, path: face.crop((50, 0, 192, 192)).save(path),
    "a name with no ending": lambda face, path: face.save(path, "JPEG"),
    "huge.jpg": huge,
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "huge.jpg" else name for name in KINDS]
)
def test_kinds_of_photos(works, faces, name):
    face = faces["laughing"]
    KINDS[name](face, Path(name))
    (path,), told = works(name, "--size", 192, "-o", "face.png")
    grey = np.asarray(face.convert("L"), float)[30:160, 60:160]
    found = np.asarray(Image.open(path).convert("L"), float)[30:160, 60:160]
    assert np.corrcoef(grey.ravel(), found.ravel())[0, 1] > 0.97
    assert ("is cut off by the photo's edge" in told) == (name == "cut off.png")


@pytest.mark.slow
def test_a_crowd(works, faces):
    photo = Image.new("RGB", (1280, 800))
    for i in range(40):
        photo.paste(
            list(faces.values())[i % 4].resize((160, 160), Image.Resampling.LANCZOS), (i % 8 * 160, i // 8 * 160)
        )
    photo.save("crowd.png")
    paths, _ = works("crowd.png", "--all", "--size", 16)
    assert len(paths) == 40
    places = {tuple((middle(path) // 160).astype(int).tolist()) for path in paths}
    assert len(places) == 40


# What cannot be used


def cut_short(path):
    content = (GOLDEN / "astronaut.jpg").read_bytes()
    path.write_bytes(content[: len(content) // 2])


def corrupt(path):
    Image.open(GOLDEN / "astronaut.jpg").save(path)
    content = bytearray(path.read_bytes())
    content[1000:3000] = bytes(2000)
    path.write_bytes(content)


def tiny(path):
    Image.open(GOLDEN / "faces/laughing.jpg").resize((40, 40), Image.Resampling.BOX).save(path)


UNUSABLE = {
    "text.jpg": (lambda path: path.write_text("Dear Ann,\n"), "text.jpg is not a picture of a known format; use"),
    "empty.jpg": (lambda path: path.touch(), "empty.jpg is empty; use another photo"),
    "cut.jpg": (cut_short, "cut.jpg is damaged ("),
    "corrupt.png": (corrupt, "corrupt.png is damaged ("),
    "bomb.png": (
        lambda path: path.write_bytes(png(1_000_000, 1_000_000, 8, 2, b"")),
        "bomb.png has more than 178,956,970 pixels, which is too many; make it smaller, or use another photo",
    ),
    "nobody.png": (lambda path: Image.new("RGB", (300, 200), "white").save(path), "no face was found in nobody.png; "),
    "pixel.png": (lambda path: Image.new("RGB", (1, 1)).save(path), "no face was found in pixel.png; "),
    "tiny.png": (tiny, "the face in tiny.png is too small: its eyes are 10.2 pixels apart, but at least 16 are needed"),
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("words", [[], ["--all", "--out", "faces"]], ids=["one", "all"])
def test_a_photo_that_cannot_be_used_costs_one_sentence(stylegan, here, name, words):
    write, said = UNUSABLE[name]
    write(Path(name))
    result = stylegan("align", name, *words)
    assert (result.exit_code, result.stdout) == (REST, "")
    assert re.fullmatch(r"Error: [^\n]+\.\n", result.stderr)
    assert said in result.stderr
    assert [path.name for path in here.iterdir()] == [name]


WORDS = {
    "no photo": ([], "missing argument"),
    "no such photo": (["nobody.png"], "there is no photo 'nobody.png'"),
    "a folder": (["folder"], "folder is a folder; give the photos in it, like folder/*.jpg"),
    "both": (["her.png#2", "--all"], "her.png#2 is one face, and --all takes every face; leave out one of them"),
    "face 0": (
        ["her.png#0"],
        "there is no her.png#0: name one of the faces in her.png by its number; 1 is the largest",
    ),
    "no face": (["her.png#left"], "there is no her.png#left"),
    "a face too many": (["her.png#2"], "there is no her.png#2: her.png shows 1 face; --overview numbers them"),
    "size": (["her.png", "--size", 8], "--size"),
    "format": (["her.png", "-o", "face.jpg"], "unknown format 'jpg'; formats are png"),
    "all in one file": (["her.png", "--all", "-o", "face.png"], "face.png is one file, but there may be several faces"),
    "many in one file": (["her.png", "her.png", "-o", "face.png"], "face.png is one file, but there may be several"),
}


@pytest.mark.parametrize(("words", "said"), WORDS.values(), ids=WORDS)
def test_the_command_line(refused, her, words, said):
    Path("folder").mkdir()
    assert said in refused(USAGE, *words)


PLACES = {
    "existing file": (["-o", "old.png"], "old.png exists; choose another name, or use --force to replace it"),
    "existing in a folder": (["-o", "out"], "out/her-aligned.png exists; choose another name, or use --force"),
    "existing overview": (["-o", "out/new.png", "--overview"], "out/her-overview.png exists; choose another name"),
    "existing one of all": (
        ["-o", "out", "--all"],
        "out/her-1-aligned.png exists; choose another name, or use --force",
    ),
    "no folders": (["-o", "old.png/out/in", "--all"], "old.png is a file, not a folder"),
    "a file as a folder": (["-o", "her.png/out"], "her.png is a file, not a folder"),
}


@pytest.mark.parametrize(("words", "said"), PLACES.values(), ids=PLACES)
def test_places(refused, her, words, said):
    Path("out").mkdir()
    for name in ("old.png", "out/her-aligned.png", "out/her-1-aligned.png", "out/her-overview.png"):
        Path(name).write_text("precious")
    assert said in refused(REST, her, *words)


def test_force_replaces(works, her):
    Path("old.png").write_text("worthless")
    assert works(her, "-o", "old.png", "--force", "--size", 32)[0] == [Path("old.png")]
    assert size_of("old.png") == (32, 32)


def test_new_names_by_default(works, her):
    assert [works(her, "--size", 32)[0] for _ in range(2)] == [[Path("her-aligned.png")], [Path("her-aligned-2.png")]]
