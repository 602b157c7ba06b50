"""Edits that aim at scores: the amounts reach them, wherever scores allow it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stylegan_cli.errors import StyleganError
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.editing import Aim, Edit, edited
from stylegan_cli.operations.reaching import MOST, NEAR, reached, search


class Seen:
    """A score that counts how often it is asked for."""

    def __init__(self, score):
        self.score, self.times = score, 0

    def __call__(self, amount):
        self.times += 1
        return self.score(amount)


@given(st.floats(-4.9, 4.9), st.floats(2, 30), st.floats(-50, 50), st.floats(0, 1))
def test_an_increasing_score_is_reached(wanted, slope, here, bend):
    """Straight or bent: a slope that is up to four times as steep somewhere."""

    def score(amount):
        return here + slope * (amount + bend * math.tanh(3 * amount))

    seen = Seen(score)
    found = search(seen, score(wanted))
    assert score(found) == pytest.approx(score(wanted), abs=NEAR)
    assert seen.times <= 1 + MOST + 6


def test_who_is_there_already_stays():
    seen = Seen(lambda amount: 40.2 + 10 * amount)
    assert (search(seen, 40), seen.times) == (0, 1)


def test_who_arrives_there_goes_no_further():
    seen = Seen(lambda amount: 30 + 10 * amount)
    assert (search(seen, 40), seen.times) == (1, 2)


@pytest.mark.parametrize(
    ("score", "target", "amount"),
    [
        (lambda a: 40 + a, 90, 5),  # too far away
        (lambda a: 40 + a, -90, -5),
        (lambda a: 40 + 10 * min(a, 2), 90, 2),  # it ends somewhere
        (lambda a: 40 + 10 * a if a < 3 else math.nan, 90, 2),  # no face is seen any more
        (lambda a: 40 + 5 * a if a in (0, 1) else math.nan, 60, 1),
        (lambda a: 40 - 5 * abs(a), 60, 0),  # it only moves away
    ],
)
def test_what_is_out_of_reach_is_approached(score, target, amount):
    assert search(score, target) == amount


def test_a_jump_is_no_endless_search():
    seen = Seen(lambda amount: 20.0 if amount < 1.7 else 60.0)
    assert search(seen, 41) >= 1.7
    assert seen.times < 12


def test_what_is_not_seen_has_no_amount():
    assert search(lambda _amount: math.nan, 3) is None


@pytest.fixture
def people(tiny):
    """Somebody at 0, and two directions, each of which moves a third of the way along the other."""
    one, other = torch.eye(tiny.w_dim)[:2]
    vectors = {"age": one + other / 3, "hair": other + one / 3}
    directions = {name: Direction(name, vector.expand(tiny.num_ws, -1)) for name, vector in vectors.items()}
    return Person("jon", torch.zeros(tiny.num_ws, tiny.w_dim)), directions


def judge(person):
    age, hair = person.ws.mean(dim=0)[:2].tolist()
    return {"age": 30 + 10 * age, "hair": 50 + 10 * hair}


def test_several_aims_are_reached_together(tiny, people):
    jon, directions = people
    edits = [
        Edit(directions["age"], 0, aim=Aim("age", "years", 50)),
        Edit(directions["hair"], 0, aim=Aim("hair", "%", 60)),
    ]
    own = reached(tiny, jon, edits, judge)
    assert judge(edited(tiny, jon, own)) == pytest.approx({"age": 50, "hair": 60}, abs=2)
    assert [edit.start for edit in own] == [0, 0]


def test_a_range_is_reached_at_both_ends(tiny, people):
    jon, directions = people
    edits = [Edit(directions["hair"], 1, -1), Edit(directions["age"], 0, aim=Aim("age", "years", 60, 10))]
    own = reached(tiny, jon, edits, judge)
    assert own[0] is edits[0]
    assert [judge(edited(tiny, jon, own, at))["age"] for at in (0, 1)] == pytest.approx([10, 60], abs=NEAR)


def test_a_way_that_is_shown_is_even(tiny, people):
    """In the score, although it bends."""
    jon, directions = people

    def bent(person):
        return {"age": 30 * math.exp(person.ws[0, 0].item() / 4)}

    (edit,) = reached(tiny, jon, [Edit(directions["age"], 0, aim=Aim("age", "years", 60, 20))], bent, whole=True)
    assert (edit.aim.start, edit.aim.stop) == pytest.approx((20, 60), abs=NEAR)
    seen = [bent(edited(tiny, jon, [edit], at))["age"] for at in (0, 0.25, 0.5, 0.75, 1)]
    assert seen == pytest.approx([20, 30, 40, 50, 60], abs=1)
    assert [edit.caption(at) for at in (0, 0.5, 1)] == ["age 20 years", "age 40 years", "age 60 years"]


def test_a_score_that_does_not_change_leaves_the_way_straight(tiny, people):
    jon, directions = people
    edits = [Edit(directions["age"], 0, aim=Aim("age", "years", 60, 20))]
    (edit,) = reached(tiny, jon, edits, lambda _person: {"age": 30.0}, whole=True)
    assert edit.between == ()
    assert edit.caption(0.5) == "age 30 years"


def test_captions_tell_what_was_reached(tiny, people):
    jon, directions = people
    (edit,) = reached(tiny, jon, [Edit(directions["age"], 0, aim=Aim("age", "years", 200))], judge)
    assert (edit.caption(1), edit.caption(0)) == ("age 80 years", "age 0")


def test_nothing_is_minus_0(tiny, people):
    edit = Edit(people[1]["age"], 1, -1, aim=Aim("yaw", "degrees", 20, -20.6))
    assert edit.caption(0.5) == "age 0 degrees"


def test_where_a_face_is_lost_on_the_way_amounts_are_told(tiny, people):
    jon, directions = people

    def seen(person):
        age = person.ws[0, 0].item()
        return {"age": math.nan if 1.2 < age < 1.8 else 30 + 10 * age}

    (edit,) = reached(tiny, jon, [Edit(directions["age"], 0, aim=Aim("age", "years", 60))], seen, whole=True)
    assert edit.aim is None
    assert edit.caption(1) == "age +3"


def test_without_aims_nobody_is_looked_at(tiny, people):
    jon, directions = people
    edits = [Edit(directions["hair"], 1)]
    assert reached(tiny, jon, edits, None) == edits


def test_what_is_not_seen_cannot_be_aimed_at(tiny, people):
    jon, directions = people
    edits = [Edit(directions["age"], 0, aim=Aim("age", "years", 60))]
    with pytest.raises(StyleganError, match="age cannot be seen in the picture of jon, so no edit can aim at it"):
        reached(tiny, jon, edits, lambda _person: {"age": math.nan})
