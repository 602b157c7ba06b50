"""Editing with the real default model and the directions that come with it."""

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from looking import pixels, size_of

from stylegan_cli import recipes, store
from stylegan_cli.cli.commands.edit import Attributes
from stylegan_cli.latents import directions, people, references
from stylegan_cli.media.render import render
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.scorers.runtime import installed
from stylegan_cli.scorers.scores import Scorers

pytestmark = pytest.mark.usefixtures("ffhq")
SHIPPED = ["age", "beard", "eyes", "gender", "glasses", "hair", "hair-length", "hairline", "jaw", "light", "lips"]
SHIPPED += ["mouth-open", "pitch", "smile", "yaw"]
NO_SCORER = ("beard", "glasses")  # when it was found
needs_scorers = pytest.mark.skipif(not installed(), reason="the extra for scorers is not installed")


@pytest.fixture
def works(stylegan):
    """Runs a command that must end well; returns stdout's lines and stderr."""

    def run(line):
        result = stylegan(*line.split())
        assert result.exit_code == 0, result.stderr
        return result.stdout.splitlines(), result.stderr

    return run


def test_shipped_directions(works, ffhq):
    lines, _ = works("directions list")
    assert [line.split("\t")[0] for line in lines] == SHIPPED
    for name, path in store.source("ffhq").directions.items():
        direction = directions.read(path, ffhq)
        assert direction.name == name
        assert direction.vector[0].norm() == pytest.approx(1, abs=1e-3)
        assert direction.found["command"].startswith("stylegan directions find --")
        if name not in NO_SCORER:
            assert all(direction.scores[side][name] > 0.5 for side in ("ahead", "behind"))
        assert path.stat().st_size < 14_000


def test_every_direction_has_its_option(works):
    options = [f"--{name}=0.5" for name in SHIPPED]
    assert works(f"edit jon -q --size 32 {' '.join(options)}") == (["edit.png"], "")
    assert {field.name.replace("_", "-") for field in fields(Attributes)} == set(SHIPPED)


@needs_scorers
@pytest.mark.parametrize(
    ("name", "least"), [("hair", 20), ("hair-length", 10), ("hairline", 4), ("jaw", 0.04), ("light", 20), ("lips", 2)]
)
def test_directions_move_what_they_are_named_after(ffhq, name, least):
    """Each of four people, both ways."""
    scorers, direction = Scorers([name]), directions.read(store.source("ffhq").directions[name], ffhq)
    for who in ("jon", "dany", "sansa", "tyrion"):
        person = references.resolve(who, ffhq, 0.7, store.source("ffhq").cast)
        low, high = (
            scorers(render(ffhq, edited(ffhq, person, [Edit(direction, amount)]).face(), 256))[name]
            for amount in (-3, 3)
        )
        assert high - low > least, who


@needs_scorers
@pytest.mark.parametrize(
    ("name", "amount", "layers", "people_without"),
    [
        ("hairline", -3, None, "jon 8 12"),
        ("hair-length", 3, None, "jon 8 12"),
        ("age", 4, "all", "tyrion arya 31"),
        ("smile", 3, None, "12 20 31"),
    ],
)
def test_directions_bring_no_glasses(ffhq, name, amount, layers, people_without):
    scorers, direction = Scorers(["glasses"]), directions.read(store.source("ffhq").directions[name], ffhq)
    for who in people_without.split():
        person = references.resolve(who, ffhq, 0.7, store.source("ffhq").cast)
        after = edited(ffhq, person, [Edit(direction, amount, layers=layers)])
        assert scorers(render(ffhq, after.face(), 256))["glasses"] < 15, who


def test_a_beard_darkens_the_chin(works):
    works("edit jon --beard -3..3 --steps 2 --size 128 -q")
    shaved, bearded = np.split(pixels("edit.png").astype(float)[:128], [128 + 2], axis=1)
    chin = np.s_[105:112, 56:72]
    assert shaved[chin].mean() > bearded[:, -128:][chin].mean() + 40


def test_edit_and_replay(works, here):
    assert works("edit jon --age 3 --smile -1 --keep gender -q --size 64") == (["edit.png"], "")
    assert size_of("edit.png") == (64, 64)
    works("replay edit.png --out again.png")
    assert (here / "again.png").read_bytes() == (here / "edit.png").read_bytes()


def test_somebody_in_a_photo(works, here):
    photo = Path(__file__).parents[1] / "golden" / "astronaut.jpg"
    assert works(f"paste dany {photo} -q") == (["astronaut-edited.png"], "")
    before, after = pixels(photo).astype(float), pixels("astronaut-edited.png").astype(float)
    changed = (before != after).any(axis=2)
    assert before.shape == after.shape and 0.02 < changed.mean() < 0.5


def test_the_years_as_a_film(works):
    assert works("edit jon --age -4..4 --frames 2 --size 64 --out years.mp4")[0] == ["years.mp4"]


@needs_scorers
def test_the_price_shows_the_years(works):
    _, told = works("edit jon --age 3 --size 64")
    before, after = map(float, re.search(r": age (\S+) -> (\S+) years;", told).groups())
    assert after > before + 10


@needs_scorers
def test_amounts_with_units_are_reached(works):
    _, told = works("edit jon --age 60y --yaw 0deg --light 0% --size 64")
    for name, wanted, unit in (("age", 60, "years"), ("yaw", 0, "degrees"), ("light", 0, "%")):
        (reached,) = re.findall(rf"{name} \S+ -> (\S+) {unit}", told)
        assert float(reached) == pytest.approx(wanted, abs=2)
    assert "out of reach" not in told


@needs_scorers
def test_what_is_out_of_reach_is_told(works):
    _, told = works("edit tyrion --age 10y..95y --steps 2 --size 64")
    assert re.search(r"tyrion: age 95 years is out of reach of amounts up to 5; with \+[45], it is 7\d years\.", told)
    assert re.search(r"age \S+ -> (9|10|11) years", told)


@needs_scorers
def test_everybody_in_a_file_of_edits_reaches_it(works):
    Path("old.toml").write_text('[[edit]]\nage = "55y"\n')
    _, told = works("apply old.toml jon dany --size 64")
    assert [int(years) for years in re.findall(r"age \d+ -> (\d\d) years", told)] == pytest.approx([55, 55], abs=1)
    assert "dany, age 55 years: age 31" in told


@needs_scorers
def test_a_strip_goes_through_the_years_evenly(works, ffhq):
    _, told = works("edit jon --age 20y..60y --size 256")
    (row,) = recipes.read(Path("edit.png")).picture.rows
    assert [cell.caption for cell in row] == [f"age {years} years" for years in (20, 30, 40, 50, 60)]
    scorers = Scorers(["age"])
    seen = [scorers(render(ffhq, replace(cell, caption=""), 256))["age"] for cell in row]
    assert seen == pytest.approx([20, 30, 40, 50, 60], abs=3)
    assert "jon, age 60 years: age 35 -> 60 years" in told


@needs_scorers
def test_a_child_of_eight_years(works, ffhq):
    """Who keeps this age as latents, and is between the parents in the sheet."""
    works("blend-parents jon dany --age 8y --size 256")
    scorers = Scorers(["age"])
    for face in (
        recipes.read(Path("family/child.png")).picture,
        recipes.read(Path("family/family.png")).picture.rows[0][1],
    ):
        assert scorers(render(ffhq, face, 256))["age"] == pytest.approx(8, abs=1)
        assert face.caption == "child"
    (child,) = references.from_file(Path("family/child.npz"), ffhq)
    assert scorers(render(ffhq, child.face(), 256))["age"] == pytest.approx(8, abs=1)


def test_an_age_that_no_child_survives(stylegan, here, ffhq):
    result = stylegan("blend-parents", "jon", "dany", "--age", 300)
    assert result.exit_code == 2
    assert "age +300 would move people" in result.stderr
    assert list(here.iterdir()) == []


def test_an_age_that_lacks_its_unit(works):
    _, told = works("blend-parents jon dany --age 8 --size 16 --out child.png")
    assert told.endswith("use smaller amounts (a lot is 3 of age); for 8 years, give --age 8y.\n")


def test_siblings_younger_by_a_length(works, ffhq):
    works("blend-parents jon dany -n 2 --size 16")
    _, told = works("blend-parents jon dany -n 2 --age -2 --size 16 --out young/")
    assert "child 1, age -2: " in told and "child 2, age -2: " in told and "ruined" not in told
    age = directions.read(store.source("ffhq").directions["age"], ffhq)
    for name in ("child-1.npz", "child-2.npz"):
        (child,), (young,) = (references.from_file(Path(folder, name), ffhq) for folder in ("family", "young"))
        assert np.allclose(young.ws, child.ws - 2 * age.vector, atol=1e-5)


def test_without_scorers_the_distance_is_told(works, no_scorers):
    _, told = works("edit jon --age 3 --size 64 --max-drift 0.65")
    assert "stops the edit at" in told
    assert told.endswith("-> 0.65 (1 is typical).\n")


def test_apply(works):
    Path("older.toml").write_text('[[edit]]\nage = 3\nkeep = ["gender"]\n[[edit]]\nsmile = 2\nlayers = "middle"\n')
    assert works("apply older.toml jon 3 --size 64 -q") == (["edited/jon.png", "edited/3.png"], "")
    assert sorted(path.name for path in Path("edited").iterdir()) == ["3.png", "jon.png"]
    assert pixels("edited/jon.png").std() > 20


def test_show_and_discover(works):
    lines, told = works("directions show smile --on jon --steps 2 --size 32")
    assert lines == ["smile.png"]
    assert "kept: age, gender, yaw, pitch" in told
    lines, _ = works("directions discover --layers middle -n 1 --steps 2 --size 32 --on jon")
    assert lines == ["sefa/sefa-0.npz", "sefa/sheet.png"]
    first, last = recipes.read(Path("sefa/sheet.png")).picture.rows[0]
    assert (first.ws != last.ws).any(dim=1).nonzero().flatten().tolist() == list(range(4, 10))


@pytest.mark.slow
@needs_scorers
def test_directions_move_their_own_score_and_not_the_others(ffhq):
    """On a few people, who vary: on many, in benchmarks/directions.py, the others move less than a third."""
    names = ["age", "gender", "smile"]
    scorers = Scorers(names)

    def scores(*edits):
        """In standard deviations over thousands of people."""
        faces = [edited(ffhq, people.from_seed(ffhq, 5000 + i, 0.7), edits).face() for i in range(8)]
        seen = [list(scorers(render(ffhq, face, 256)).values()) for face in faces]
        return np.nanmean(seen, axis=0) / [13, 14, 4.1]

    here = scores()
    for own, name in enumerate(names):
        direction = directions.read(store.source("ffhq").directions[name], ffhq)
        behind, ahead = (scores(Edit(direction, amount)) for amount in (-3, 3))
        assert behind[own] < here[own] < ahead[own], name
        for moved in (ahead - here, here - behind):
            assert all(abs(moved[other] / moved[own]) < 1 / 2 for other in range(len(names)) if other != own), name
