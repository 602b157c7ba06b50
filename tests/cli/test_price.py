"""What edits cost, in words."""

from math import nan
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stylegan_cli.cli import price
from stylegan_cli.cli.plan import Plan
from stylegan_cli.cli.price import Look
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.drift import Ruler
from stylegan_cli.operations.editing import Edit
from stylegan_cli.scorers.scores import SCORES

FIRST = {"age": 32.71, "gender": -3.74, "yaw": -0.0018, "pitch": 12.3, "mouth-open": 0.1777}


def test_scores_are_rounded_to_what_can_be_seen_and_have_units():
    """What was wanted comes first, then what else can be seen, and the distance last."""
    after = {"age": 65.9, "gender": -0.02, "yaw": 1.44, "pitch": -0.4, "mouth-open": 0.0731}
    assert price._report(Look(0.971, FIRST), Look(1.034, after), {"smile", "age", "yaw"}).split("; ") == [
        "age 33 -> 66 years",
        "yaw 0 -> 1 degrees",
        "also gender -3.7 -> 0.0, pitch 12 -> 0 degrees, mouth-open 0.18 -> 0.07",
        "distance from the average face 0.97 -> 1.03 (1 is typical)",
    ]


def test_what_hardly_changes_is_not_told():
    near = FIRST | {"age": 33.0, "gender": -3.6, "yaw": 1.0}
    distance = "distance from the average face 1.00 -> 1.00 (1 is typical)"
    assert price._report(Look(1, near), Look(1, FIRST), {"yaw"}) == f"yaw 1 -> 0 degrees; {distance}"
    assert price._report(Look(1, near), Look(1, FIRST), ()) == f"no score changed visibly; {distance}"
    assert price._report(Look(1), Look(1), ()) == distance


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        (0.59, "still the same person (identity distance 0.59, below 0.6)"),
        (0.61, "the identity network takes it for another person (distance 0.61, 0.6 or more)"),
    ],
)
def test_who_it_is_follows_what_was_wanted(apart, said):
    before, after = (Look(1, {"age": years}, np.array([where])) for years, where in ((30, 0.0), (60, apart)))
    assert price._report(before, after, {"age"}).split("; d")[0] == f"age 30 -> 60 years; {said}"


def test_no_distance_below_the_limit_looks_like_the_limit():
    before, after = (Look(1, {"age": 30.0}, np.array([where])) for where in (0.0, 0.5999))
    assert "(identity distance 0.59, below 0.6)" in price._report(before, after, {"age"})


@pytest.mark.parametrize(("to", "told"), [(12, "glasses 9 -> 12 % (hardly a change)"),
                                          (80, "glasses 9 -> 80 %")])  # fmt: skip
def test_what_was_wanted_and_hardly_comes_is_told(to, told):
    before, after = (Look(1, {"glasses": value, "smile": 7.0}) for value in (9.0, float(to)))
    assert price._report(before, after, {"glasses", "smile"}).split("; ")[:2] == [told, "smile 7.0 -> 7.0"]


def test_a_hairline_moves_visibly_by_less_than_other_percentages():
    before = Look(1, {"hairline": 21.0, "hair": 34.0})
    told = [price._report(before, Look(1, {"hairline": 30.0, "hair": 43.0}), names) for names in ({"hairline"}, ())]
    assert told[0].startswith("hairline 21 -> 30 %; ") and told[1].startswith("hairline 21 -> 30 %; ")
    small = price._report(before, Look(1, {"hairline": 24.0, "hair": 34.0}), {"hairline"})
    assert small.startswith("hairline 21 -> 24 % (hardly a change)")


def test_a_face_that_is_lost_is_told():
    """Not where none was seen before: it may be a cat's, or nobody looks."""
    some, none = {"age": 32.0, "yaw": nan}, {"age": nan, "yaw": nan}
    told = {
        name: "no face is visible any more" in price._report(Look(0.5, before), Look(0.6, after), ())
        for name, before, after in (("lost", some, none), ("kept", some, some), ("cat", none, none), ("blind", {}, {}))
    }
    assert told == {"lost": True, "kept": False, "cat": False, "blind": False}


@pytest.mark.parametrize(
    ("ranges", "ends"),
    [([(0, 3)], [1]), ([(-3, 3)], [0, 1]), ([(-4, 0)], [0]), ([(-4, 0), (0, 2)], [0, 1]), ([(0, 0)], [1])],
)
def test_an_end_where_nothing_changed_is_not_told(ranges, ends):
    assert price._ends([Edit(None, stop, start) for start, stop in ranges]) == ends


def test_every_unit_is_known():
    assert {score.unit for score in SCORES.values()} == set(price.DIGITS) == set(price.NOTABLE)
    assert set(price.NARROW) < set(SCORES)


@pytest.mark.parametrize(
    ("start", "end", "by", "is_told"),
    [(0.9, 1.4, 6, False), (1.4, 1.6, 1, True), (1.6, 1.62, 1, False), (4, 9, 1, True), (0.9, 0.9, 8, True)],
)
def test_whoever_goes_far_is_told_and_whoever_was_there_is_not(monkeypatch, capsys, start, end, by, is_told):
    """Photos begin where no sampled person is; whoever crosses the average face is near it, but has gone far."""
    ruler = Ruler(torch.zeros(1, 4), typical=10)
    studio = SimpleNamespace(generator=None, ruler=ruler)
    looks = iter([Look(start), Look(end)])
    monkeypatch.setattr(price, "_eyes", lambda _: lambda _: next(looks))
    monkeypatch.setattr(price.editing, "edited", lambda *_: Person("age +2", torch.tensor([[by, 0, 0, 0.0]] * 3)))
    edits = [
        Edit(SimpleNamespace(name=name, vector=torch.full((3, 4), long)), 2)
        for name, long in (("age", 0.5), ("unlike", 5.0))
    ]
    price.tell_prices(studio, [Person("me", torch.zeros(3, 4))], [edits], price.limiting(None))
    said = "Faces are often ruined by edits this large: use smaller amounts (a lot is 3 of age, 0.3 of unlike), or "
    assert (said in capsys.readouterr().err) is is_told


@pytest.mark.parametrize(
    ("name", "advice"),
    [("age", "3 is a lot; for 60 years, give --age 60y"), ("smile", "3 is a lot"), ("hat", "3 is a lot")],
)
def test_an_amount_that_may_have_lacked_its_unit(monkeypatch, name, advice):
    monkeypatch.setattr(price.editing, "movement", lambda *_: torch.full((1, 4), 10.0))
    studio = SimpleNamespace(generator=None, ruler=Ruler(torch.zeros(1, 4), typical=1))
    with pytest.raises(UsageError) as error:
        Plan(studio, [Edit(SimpleNamespace(name=name, vector=torch.ones(1, 1)), 60)])
    assert str(error.value).endswith(advice)
