"""What edits cost, in words."""

from math import nan
from types import SimpleNamespace

import pytest
import torch

from stylegan_cli.cli import price
from stylegan_cli.cli.price import Look
from stylegan_cli.latents.people import Person
from stylegan_cli.scorers.scores import SCORES


def test_scores_are_rounded_to_what_can_be_seen_and_have_units():
    """What was wanted is told, and what else can be seen."""
    before = {"age": 32.71, "gender": -3.74, "yaw": -0.0018, "pitch": 12.3, "mouth-open": 0.1777}
    after = {"age": 65.9, "gender": -0.02, "yaw": 1.44, "pitch": -0.4, "mouth-open": 0.0731}
    drift, *moved = price._changes(Look(0.971, before), Look(1.034, after), {"smile", "yaw"})
    assert drift == "0.97 -> 1.03 typical distances from the average face"
    assert moved == [
        "age 33 -> 66 years",
        "gender -3.7 -> 0.0",
        "yaw 0 -> 1 degrees",
        "pitch 12 -> 0 degrees",
        "mouth-open 0.18 -> 0.07",
    ]
    quiet = {"age": 33.0, "gender": -3.6, "yaw": 1.0}
    assert list(price._changes(Look(1, before | quiet), Look(1, before), {"yaw"}))[1:] == [
        "yaw 1 -> 0 degrees",
        "the rest hardly changed",
    ]
    assert list(price._changes(Look(1, before | quiet), Look(1, before), ()))[1:] == [
        "all that scorers see hardly changed"
    ]


def test_a_face_that_is_lost_is_told():
    """Not where none was seen before: it may be a cat's, or nobody looks."""
    some, none = {"age": 32.0, "yaw": nan}, {"age": nan, "yaw": nan}
    told = {
        name: "no face is visible any more" in price._changes(Look(0.5, before), Look(0.6, after), ())
        for name, before, after in (("lost", some, none), ("kept", some, some), ("cat", none, none), ("blind", {}, {}))
    }
    assert told == {"lost": True, "kept": False, "cat": False, "blind": False}


def test_every_unit_is_known():
    assert {score.unit for score in SCORES.values()} == set(price.DIGITS) == set(price.NOTABLE)


@pytest.mark.parametrize(
    ("start", "end", "by", "is_told"),
    [(0.9, 1.4, 6, False), (1.4, 1.6, 1, True), (1.6, 1.62, 1, False), (4, 9, 1, True), (0.9, 0.9, 8, True)],
)
def test_whoever_goes_far_is_told_and_whoever_was_there_is_not(monkeypatch, capsys, start, end, by, is_told):
    """Photos begin where no sampled person is; whoever crosses the average face is near it, but has gone far."""
    prices = price.Prices(SimpleNamespace(output=SimpleNamespace(quiet=False), generator=None), None)
    looks = iter([Look(start), Look(end)])
    monkeypatch.setattr(prices, "_judges", lambda: (None, None))
    monkeypatch.setattr(prices, "_look", lambda *_: next(looks))
    monkeypatch.setattr(price.editing, "ruler", lambda _: price.Ruler(torch.zeros(4), typical=10))
    monkeypatch.setattr(price.editing, "edited", lambda *_: Person("age +2", torch.tensor([[by, 0, 0, 0.0]] * 3)))
    edit = SimpleNamespace(start=0, direction=SimpleNamespace(name="age"))
    prices.tell([Person("me", torch.zeros(3, 4))], [[edit]])
    assert ("Faces are often ruined by edits this large" in capsys.readouterr().err) is is_told


def test_one_wheel_is_fetched_once(monkeypatch):
    """The network that pasting wants comes along where the mesh must be fetched; else nobody goes to the network."""
    fetched = []
    monkeypatch.setattr(price, "installed", lambda: True)
    monkeypatch.setattr(price, "fetch", lambda assets, quiet: fetched.append((assets, quiet)))
    for is_there in (True, False):
        asset = SimpleNamespace(cached=SimpleNamespace(is_file=lambda is_there=is_there: is_there))
        monkeypatch.setattr(price, "Scorers", lambda _names, asset=asset: SimpleNamespace(assets=(asset,)))
        assert price.Prices(None, None)._scorers().assets == (asset,)
    assert fetched == [([asset, price.SILHOUETTE], False)]
