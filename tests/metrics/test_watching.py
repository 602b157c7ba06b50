"""Metrics while training: which, when, and what is told of them."""

import pytest
from plain_features import Means

from stylegan_cli.errors import UsageError
from stylegan_cli.metrics import watching
from stylegan_cli.metrics.evaluation import Judge, Settings
from stylegan_cli.metrics.sets import DataSet, Made


@pytest.mark.parametrize(
    ("names", "found"), [("fd", ("fd",)), ("kd", ("kd",)), ("fd, kd, fd", ("fd", "kd")), ("none", ())]
)
def test_names(names, found):
    assert watching.metrics_of(names) == found


@pytest.mark.parametrize("names", ["fid50k_full", "pr", "ppl", "fd,none", ""])
def test_names_that_are_none(names):
    with pytest.raises(UsageError, match=r"use --metrics fd, kd, fd,kd or none"):
        watching.metrics_of(names)


@pytest.mark.parametrize(
    ("ticks", "measured", "due"),
    [
        ([], [], True),
        ([(10, 500)], [], True),
        ([(10, 900), (20, 100)], [(10, 6)], False),  # what went before does not count
        ([(10, 900), (20, 100), (30, 19)], [(10, 6)], False),
        ([(10, 900), (20, 100), (30, 20)], [(10, 6)], True),
        ([(10, 900), (20, 100), (30, 20)], [(10, 6), (20, 2)], False),
    ],
)
def test_a_twentieth_of_the_time(ticks, measured, due):
    pairs = ([{"nimg": nimg, "seconds": seconds} for nimg, seconds in lines] for lines in (ticks, measured))
    assert watching.is_due(*pairs) == due


def test_numbers_are_those_of_the_command(tiny, make_data):
    data = DataSet(make_data(120))
    counted = []
    watch = watching.Watch(data, ("fd", "kd"), Means(), 1000)
    first = watch(tiny, lambda: counted.append(1))
    assert len(counted) == 3 * 60  # both halves, and the model's pictures
    judge = Judge(data, Settings(("fd", "kd"), 60), Means())
    for line in first:
        assert line["value"] == judge(Made(tiny))[line["name"]]
        assert line["floor"] == judge(data)[line["name"]]
        assert line["low"] < line["value"] < line["high"]
        assert (line["num"], line["size"], line["features"], line["seed"]) == (60, 64, "means", 0)
        assert (line["psi"], line["class"], line["precision"]) == (1, None, "fp32")
        assert line["seconds"] > 0
    again = watch(tiny, lambda: counted.append(1))
    assert len(counted) == 4 * 60
    assert [line["value"] for line in again] == [line["value"] for line in first]


def test_many_pictures_are_sampled(tiny, make_data):
    (line,) = watching.Watch(DataSet(make_data(120)), ("kd",), Means(), 50)(tiny, lambda: None)
    assert (line["num"], line["reference_num"]) == (50, 50)


def test_fid_is_by_all_the_data(tiny, make_data, monkeypatch):
    """And by as many pictures of the model as are asked for."""
    monkeypatch.setattr(Means, "by_all", True)
    data = DataSet(make_data(120))
    (line,) = watching.Watch(data, ("kd",), Means(), 80)(tiny, lambda: None)
    assert (line["num"], line["reference_num"]) == (80, 120)
    judge = Judge(data, Settings(("kd",), 80), Means())
    # Halves are smaller than the sides of this comparison: a perfect model would be nearer to the data than they are.
    assert (line["value"], line["floor"]) == (judge(Made(tiny))["kd"], None)


@pytest.mark.parametrize(
    ("nimg", "num", "title", "is_known"),
    [(8, 60, "KD-means", True), (9, 60, "KD-means", False), (8, 50, "KD-means", False), (8, 60, "KID", False)],
)
def test_what_is_known_is_not_measured_again(make_data, nimg, num, title, is_known):
    watch = watching.Watch(DataSet(make_data(120)), ("kd",), Means(), 1000)
    assert watch.knows([{"title": title, "nimg": nimg, "num": num}], 8) == is_known
    both = watching.Watch(DataSet(make_data(120)), ("kd", "fd"), Means(), 1000)
    assert not both.knows([{"title": title, "nimg": nimg, "num": num}], 8)
