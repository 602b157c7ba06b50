"""Editing: amounts add up, keeping keeps, drift is limited."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Origin
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.people import Person, from_seed
from stylegan_cli.operations import drift, editing, ways
from stylegan_cli.operations.editing import Edit

L, D = 13, 16


def direction(name="d", response=None, rows=1, layers="all"):
    vector = torch.randn(rows, D)
    return Direction(name, (vector / vector.norm()).expand(L, D), layers, response=response)


@pytest.fixture
def jon(tiny):
    return from_seed(tiny, 1, 1.0)


def test_edits_add_up_and_minus_takes_back(tiny, jon):
    one, other = direction(), direction()
    both = editing.edited(tiny, jon, [Edit(one, 3), Edit(other, -1)])
    assert torch.allclose(both.ws, jon.ws + 3 * one.vector - other.vector, atol=1e-6)
    back = editing.edited(tiny, both, [Edit(one, -3), Edit(other, 1)])
    assert torch.allclose(back.ws, jon.ws, atol=1e-5)
    assert both.z is None


def test_nothing_moves_to_the_bit(tiny, jon):
    assert torch.equal(editing.edited(tiny, jon, [Edit(direction(), 0)]).ws, jon.ws)
    assert torch.equal(editing.edited(tiny, jon, [Edit(direction(), 3)], at=0).ws, jon.ws)


def test_layers_are_the_directions_own_unless_named(tiny, jon):
    coarse = direction(layers="coarse")
    for layers, bands in ((None, {"coarse"}), ("middle,fine", {"middle", "fine"})):
        changed = (editing.edited(tiny, jon, [Edit(coarse, 1, layers=layers)]).ws != jon.ws).any(dim=1)
        assert {layer.band for layer in tiny.layers if changed[layer.index]} == bands
        assert all(changed[layer.index] == (layer.band in bands) for layer in tiny.layers)


def test_a_strip_goes_from_start_to_stop(tiny, jon):
    d = direction("age")
    strip = ways.strip(tiny, jon, [Edit(d, 4, -4)], 5)
    assert [person.label for person in strip] == ["age -4", "age -2", "age 0", "age +2", "age +4"]
    assert torch.equal(strip[-1].ws, editing.edited(tiny, jon, [Edit(d, 4)]).ws)
    assert torch.equal(strip[2].ws, jon.ws)
    assert ways.sheet([strip, strip]).rows[1][0].caption == "age -4"


@pytest.mark.parametrize(
    ("amount", "said"), [(0, "0"), (-2 / 3, "-0.67"), (0.996, "+1"), (1.5, "+1.5"), (1000, "+1000"), (0.001, "+0.001")]
)
def test_amounts_are_short(amount, said):
    assert editing.caption([Edit(direction("age"), amount)]) == f"age {said}"


def test_rows_of_a_sheet_have_names(tiny, jon):
    strip = ways.strip(tiny, jon, [Edit(direction("age"), 4, -4)], 3)
    assert ways.sheet([strip, strip], ["jon", "dany"]).names == ("jon", "dany")
    assert ways.sheet([strip]).names == ()


def test_several_amounts_stand_below_each_other(tiny, jon):
    """So that none is cut off."""
    strip = ways.strip(tiny, jon, [Edit(direction("age"), 4, -4), Edit(direction("smile"), 2)], 3)
    assert [cell.caption for cell in ways.sheet([strip]).rows[0]] == [
        *("age -4\nsmile 0", "age 0\nsmile +1", "age +4\nsmile +2"),
    ]


@pytest.mark.parametrize(
    ("start", "stop", "amounts"),
    [
        (-4, 4, [-4, -2, 0, 2, 4]),
        (4, -4, [4, 2, 0, -2, -4]),
        (-3, 3, [-3, -2, -1, 0, 1, 2, 3]),
        (-2, 2, [-2, -1, 0, 1, 2]),
        (-2, 3, [-2, -1, 0, 1, 2, 3]),
        (0, 3, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        (-0.6, 0.3, [-0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]),
        (-1.5, 3.5, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]),
        (-1.3, 2.9, [-1.3, -0.6, 0.1, 0.8, 1.5, 2.2, 2.9]),  # nothing is round here: seven
    ],
)
def test_strips_are_of_round_amounts(start, stop, amounts):
    edit = Edit(direction(), stop, start)
    places = ways.round_steps([edit])
    assert [edit.amount(i / (places - 1)) for i in range(places)] == amounts


def test_several_edits_are_round_together():
    assert ways.round_steps([Edit(direction(), 4, -4), Edit(direction(), 2)]) == 5
    assert ways.round_steps([Edit(direction(), 4, -4), Edit(direction(), 0.77)]) == 5  # at least the one
    assert ways.round_steps([Edit(direction(), 4), Edit(direction(), -3)]) == 5  # rather the first
    assert ways.round_steps([Edit(direction(), -3), Edit(direction(), 4)]) == 7


def test_what_is_kept_does_not_respond():
    gender, smile = (direction(name, torch.randn(D)) for name in ("gender", "smile"))
    age = direction("age")
    clean = editing.keeping(age, [gender, smile])
    assert (clean.vector @ gender.response).abs().max() < 1e-5
    assert (clean.vector @ smile.response).abs().max() < 1e-5
    # Only as much of the kept directions as that takes: what is left lies in their span.
    rest = (age.vector - clean.vector)[0]
    span = torch.stack([gender.vector[0], smile.vector[0]])
    assert torch.linalg.matrix_rank(torch.vstack([span, rest]), tol=1e-5) == 2


def test_without_a_response_it_is_the_projection():
    one, other = direction("a"), direction("b")
    clean = editing.keeping(one, [other]).vector[0]
    assert torch.allclose(clean, one.vector[0] - (one.vector[0] @ other.vector[0]) * other.vector[0], atol=1e-6)


def test_a_direction_does_not_keep_itself_and_doubles_do_no_harm():
    age, gender = direction("age"), direction("gender")
    assert editing.keeping(age, [age]) is age
    assert torch.equal(
        editing.keeping(age, [age, gender, gender]).vector, editing.keeping(age, [gender, gender]).vector
    )
    assert torch.allclose(
        editing.keeping(age, [gender, gender]).vector, editing.keeping(age, [gender]).vector, atol=1e-6
    )


def test_what_a_direction_was_found_to_keep_is_not_corrected_again():
    origin, found = Origin("tiny", "0" * 64), {"kept": ["gender"]}
    age = replace(direction("age"), origin=origin, found=found)
    gender = replace(direction("gender"), origin=origin)
    assert editing.keeping(age, [gender]) is age
    stranger = replace(gender, origin=None)  # a file of that name may move anything
    assert (editing.keeping(age, [stranger]).vector @ gender.vector[0]).abs().max() < 1e-5


def test_what_is_only_called_alike_is_kept():
    """A file gender.pt may move anything: it is no reason to let go of gender."""
    one, other = direction("gender"), direction("gender")
    assert (editing.keeping(one, [other]).vector @ other.vector[0]).abs().max() < 1e-5


def test_keeping_what_an_edit_is_about_leaves_nothing():
    gender = direction("gender", torch.randn(D))
    nearly = Direction("man", gender.vector + 0.05 * direction().vector)
    copy = Direction("gender", gender.vector, origin=Origin("tiny", "0" * 64))
    for edited in (nearly, copy):
        with pytest.raises(UsageError, match=f"keeping gender leaves nothing of the direction {edited.name}, because"):
            editing.keeping(edited, [gender])


def test_each_layer_of_w_plus_is_kept_by_itself():
    one, other = (Direction(name, torch.randn(L, D)) for name in "ab")
    clean = editing.keeping(one, [other]).vector
    assert (clean * other.vector).sum(dim=1).abs().max() < 1e-4


def test_drift_is_one_for_the_models_own_people_on_average(tiny):
    ruler = drift.ruler_of(tiny)
    drifts = [ruler.drift(from_seed(tiny, seed, 1.0).ws) for seed in range(200)]
    assert sum(drifts) / 200 == pytest.approx(1, rel=0.05)
    assert ruler.drift(tiny.w_avg.expand(L, D)) == 0
    halves = [ruler.drift(from_seed(tiny, seed, 0.5).ws) for seed in range(200)]
    assert sum(halves) == pytest.approx(sum(drifts) / 2, rel=1e-4)


@settings(max_examples=30)
@given(st.floats(0.5, 3), st.floats(-50, 50))
def test_the_limit_is_reached_and_not_passed(tiny, limit, amount):
    ruler, jon = drift.ruler_of(tiny), from_seed(tiny, 1, 0.3)
    edits = drift.limited(tiny, ruler, jon, [Edit(direction(), amount, -amount)], limit)
    for at, wanted in ((0.0, -amount), (1.0, amount)):
        far = ruler.drift(editing.edited(tiny, jon, edits, at).ws)
        assert far <= limit * (1 + 1e-5)
        assert edits[0].amount(at) == pytest.approx(wanted, abs=1e-9) or far == pytest.approx(limit, rel=1e-4)


def test_a_limit_lets_people_come_back(tiny):
    """Only where edits end counts: someone who is beyond the limit may be edited to be within it."""
    ruler, step = drift.ruler_of(tiny), direction()
    far = Person("far", tiny.w_avg + 20 * step.vector.expand(L, D))
    assert ruler.drift(far.ws) > 0.5
    assert [edit.stop for edit in drift.limited(tiny, ruler, far, [Edit(step, -20.0)], 0.5)] == [-20]
    with pytest.raises(StyleganError, match="before any edit"):
        drift.limited(tiny, ruler, far, [Edit(step, -20.0, 1.0)], 0.5)


def test_the_longest_layer_is_how_long_a_movement_is(tiny):
    ruler, by = drift.ruler_of(tiny), torch.zeros(L, D)
    by[1, 0], by[2, 3] = 3.0, -4.0
    assert ruler.length(by) == pytest.approx(4 / ruler.typical)


def test_who_is_beyond_the_limit_already(tiny, jon):
    advice = r"typical distances from the average face before any edit; use a larger --max-drift$"
    with pytest.raises(StyleganError, match=advice):
        drift.limited(tiny, drift.ruler_of(tiny), jon, [Edit(direction(), 1)], 0.1)


def test_each_layer_goes_its_own_way_in_w_plus(tiny, jon):
    own = Direction("d", torch.randn(L, D))
    torch.testing.assert_close(editing.edited(tiny, jon, [Edit(own, 2)]).ws, jon.ws + 2 * own.vector)


def test_between_two_people_lies_the_direction_that_leads_from_one_to_the_other(tiny):
    one, other, third = (from_seed(tiny, seed, 0.7) for seed in (1, 2, 3))
    direction = editing.difference(one, other, "unlike")
    assert (direction.name, direction.title) == ("unlike", "what makes 2 differ from 1; 1 is all of it")
    torch.testing.assert_close(editing.edited(tiny, one, [Edit(direction, 1)]).ws, other.ws)
    torch.testing.assert_close(
        editing.edited(tiny, third, [Edit(direction, -2)]).ws, third.ws - 2 * (other.ws - one.ws)
    )
    with pytest.raises(UsageError, match="1 and 1 have the same latents"):
        editing.difference(one, one, "nothing")


def test_differences_that_are_none(tiny):
    """Rounding, and latents beyond all measure."""
    one = from_seed(tiny, 1, 0.7)
    with pytest.raises(UsageError, match="have the same latents"):
        editing.difference(one, replace(one, ws=one.ws * (1 + 1e-5)), "rounding")
    ends = (replace(one, ws=torch.full_like(one.ws, sign * 3e38)) for sign in (-1, 1))
    with pytest.raises(StyleganError, match="too far from each other"):
        editing.difference(*ends, "endless")
