"""Sets judged by others."""

import json

import numpy as np
import pytest
import torch
from plain_features import Means
from waves import Waves

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.metrics import path_length, precision_recall
from stylegan_cli.metrics.evaluation import MIN_PICTURES, Judge, Settings
from stylegan_cli.metrics.features import EfficientNetFeatures
from stylegan_cli.metrics.sets import DataSet, Made

CPU = torch.device("cpu")


def judge(reference, features=None, **settings):
    settings.setdefault("metrics", ("kd",))
    return Judge(reference, Settings(**{"num": MIN_PICTURES, **settings}), features or Means())


@pytest.fixture(scope="module")
def drawings(make_data):
    return DataSet(make_data(120))


def test_more_blur_is_further_away(make_data, drawings):
    judged = judge(drawings, EfficientNetFeatures(CPU), metrics=("fd", "kd"))
    reports = [judged(DataSet(make_data(60, first=500, blur=blur))) for blur in (0, 0.7, 1.5, 3)]
    for name in ("fd", "kd"):
        values = [report[name] for report in reports]
        assert values == sorted(values)
        assert values[-1] > 2 * values[0]


def test_a_data_set_by_itself_is_compared_by_halves(drawings):
    report = judge(drawings, num=1000, metrics=("fd", "kd", "pr"))(drawings)
    assert report.num == 60
    assert report["fd"] > 0.01
    measures = report.as_dict()["measures"]
    assert measures["kd"]["low"] < 0 < measures["kd"]["high"]
    assert all(0 <= measures[name]["low"] < measures[name]["value"] <= 1 for name in ("precision", "recall"))


def test_a_data_set_is_known_under_other_names(make_data, tmp_path):
    path = make_data(120)
    (tmp_path / "link.zip").symlink_to(path)
    assert judge(DataSet(path), num=1000).counts(DataSet(tmp_path / "link.zip")) == (60, 60)


def test_equal_sets_of_pictures(make_data, drawings):
    """The same pictures in another file: they are not known to be the same."""
    report = judge(drawings, num=120, metrics=("fd", "pr"))(DataSet(make_data(120)))
    assert report["fd"] == pytest.approx(0, abs=1e-6)
    assert (report["precision"], report["recall"]) == (1, 1)


def test_shares_of_none_have_the_interval_of_their_number(tiny, make_data, monkeypatch):
    """Precision is a share of the subject's pictures, recall of the reference's."""
    monkeypatch.setattr(precision_recall, "precision_recall", lambda _fake, _real: np.zeros((11, 2)))
    report = judge(DataSet(make_data(60)), num=80, metrics=("pr",))(Made(tiny))
    found = {measure.name: measure.estimate for measure in report.measures}
    assert {name: (one.value, one.low) for name, one in found.items()} == {"precision": (0, 0), "recall": (0, 0)}
    assert [found[name].high for name in ("precision", "recall")] == pytest.approx([0.0458, 0.0602], abs=1e-4)


def test_a_model_by_data(tiny, drawings):
    counted = []
    settings = Settings(("fd", "kd", "pr", "ppl"), MIN_PICTURES)
    judged = Judge(drawings, settings, EfficientNetFeatures(CPU))
    steps = judged.steps(Made(tiny))
    report = judged(Made(tiny), lambda: counted.append(1))
    assert [measure.name for measure in report.measures] == ["fd", "kd", "precision", "recall", "ppl"]
    assert (report.subject, report.num, report.size, report.features_size) == ("tiny", MIN_PICTURES, 64, 128)
    assert len(counted) == steps == 3 * MIN_PICTURES
    assert report["ppl"] > 0
    assert json.loads(json.dumps(report.as_dict()))["measures"]["fd"]["title"] == "FD-EfficientNet-Lite0"


def test_fid_is_by_all_the_data(tiny, make_data, drawings, monkeypatch):
    """50,000 pictures of a model, also in a data set, are judged by the 70,000 of FFHQ; halves are as asked for, and so
    is everything with other features."""
    other, settings = DataSet(make_data(120, first=500)), Settings(("fd",), MIN_PICTURES)
    for by_all, expected in ((False, MIN_PICTURES), (True, 120)):
        monkeypatch.setattr(Means, "by_all", by_all)
        judged, counted = Judge(drawings, settings, Means()), []
        steps = judged.steps(Made(tiny))
        report = judged(Made(tiny), lambda counted=counted: counted.append(1))
        assert (report.num, report.reference_num) == (MIN_PICTURES, expected)
        assert len(counted) == steps == MIN_PICTURES + expected
        assert judged.counts(other) == (MIN_PICTURES, expected)
        assert judged.counts(drawings) == (MIN_PICTURES, MIN_PICTURES)


def test_each_side_has_as_many_as_it_can(tiny, make_data):
    few, counted = DataSet(make_data(120)), []
    judged = judge(few, num=150, metrics=("fd", "kd", "pr"))
    steps = judged.steps(Made(tiny))
    report = judged(Made(tiny), lambda: counted.append(1))
    assert (report.num, report.reference_num) == (150, 120)
    assert len(counted) == steps == 270
    assert report["fd"] > 0
    back = judge(Made(tiny), num=150)(few)
    assert (back.num, back.reference_num) == (120, 150)
    halves = judge(few, num=150)(few)
    assert (halves.num, halves.reference_num) == (60, 60)


def test_two_models_do_not_share_their_z(tiny):
    """The same pictures would be at distance 0."""
    assert judge(Made(tiny), metrics=("fd",))(Made(tiny))["fd"] > 1e-5


def test_seeds(tiny, drawings):
    first = judge(drawings)(Made(tiny))
    assert judge(drawings)(Made(tiny)) == first
    assert judge(drawings, seed=1)(Made(tiny))["kd"] != first["kd"]


def test_the_reference_is_described_once(tiny, drawings):
    judged, counted = judge(drawings), []
    first = judged(Made(tiny), lambda: counted.append(1))
    assert judged.steps(Made(tiny)) == MIN_PICTURES
    assert judged(Made(tiny), lambda: counted.append(1)) == first
    assert len(counted) == 3 * MIN_PICTURES


def arithmetic():
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.fixture
def rounding():
    """Float32 as GPUs compute it unless they are told otherwise."""
    before = arithmetic()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    yield
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


def test_nothing_is_rounded_to_tf32(tiny, drawings, rounding, monkeypatch):
    """The features would suffer, and path lengths be noise."""
    seen = []
    monkeypatch.setattr(path_length, "levels", lambda _, images: [images])
    judge(drawings, metrics=("kd", "ppl"))(Made(tiny), lambda: seen.append(arithmetic()))
    assert seen == [(False, "highest")] * 3 * MIN_PICTURES
    assert arithmetic() == (True, "high")


def test_size_and_filter_matter(make_data, drawings):
    other = DataSet(make_data(60, first=500, size=128))
    reports = [judge(drawings, **how)(other) for how in ({}, {"filter": "box"}, {"size": 32})]
    assert len({report["kd"] for report in reports}) == 3
    assert [report.size for report in reports] == [64, 64, 32]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ("vgg",)}, "no metric 'vgg'; metrics are fd, kd, pr, ppl, eqt_int, eqt_frac, eqr$"),
        ({"metrics": ("fid50k_full",)}, "are fd, .*, eqr; nearest: --metrics fd --features inception --num 50000$"),
        ({"metrics": ("kid",)}, "nearest: --metrics kd --features inception$"),
        ({"metrics": ("pr50k3_full",)}, "nearest: --metrics pr --num 50000$"),
        ({"metrics": ("ppl2_wend",)}, "nearest: --metrics ppl$"),
        ({"metrics": ("eqt50k_int",)}, "nearest: --metrics eqt_int --num 50000$"),
        ({"metrics": ("eqt50k_frac",)}, "nearest: --metrics eqt_frac --num 50000$"),
        ({"metrics": ("eqr50k",)}, "nearest: --metrics eqr --num 50000$"),
        ({"metrics": ("eq_r",)}, ", eqr$"),
        ({"filter": "nearest"}, "no resize filter"),
        ({"num": 10}, "10 pictures are too few"),
        ({"num": 10, "metrics": ("ppl", "fd")}, "10 pictures are too few"),
        ({"num": 9, "metrics": ("ppl",)}, "9 paths are too few for an interval; use at least 10$"),
        ({"num": 9, "metrics": ("eqr", "eqt_int")}, "9 pictures are too few for an interval; use at least 10$"),
        ({"num": 10, "metrics": ("eqr", "fd")}, "10 pictures are too few to compare"),
    ],
)
def test_settings_that_there_are_not(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)


@pytest.mark.parametrize("count", [1, 2 * MIN_PICTURES - 1])
def test_too_few_pictures(make_data, count):
    data = DataSet(make_data(count, size=16))
    with pytest.raises(StyleganError, match=f"give only {count // 2} pictures for each side"):
        judge(data)(data)


@pytest.mark.parametrize("name", ["ppl", "eqr"])
def test_data_have_no_paths_and_do_not_move(drawings, name):
    with pytest.raises(UsageError, match=f"^{name} is measured on a model, but .* is a data set"):
        judge(drawings, metrics=(name,))(drawings)


def test_a_model_alone_needs_no_features():
    """Its pictures are drawn once for all metrics of moved ones, in one step each."""
    counted, waves = [], Made(Waves())
    judged = Judge(waves, Settings(("eqr", "eqt_frac", "eqt_int"), 10), None)
    steps = judged.steps(waves)
    report = judged(waves, lambda: counted.append(1))
    assert [(measure.name, measure.title) for measure in report.measures] == [
        ("eqr", "EQ-R (dB)"), ("eqt_frac", "EQ-T_frac (dB)"), ("eqt_int", "EQ-T (dB)"),
    ]  # fmt: skip
    assert len(counted) == steps == 10
    assert report["eqt_int"] > report["eqt_frac"] > 50
    assert (report.num, report.size, report.features) == (10, None, None)


def test_a_model_that_cannot_move_is_refused_before_it_is_compared(tiny, drawings):
    drawn = []
    with pytest.raises(UsageError, match="equivariance cannot be measured: tiny is a mobilestylegan and cannot move"):
        judge(drawings, metrics=("kd", "eqr"))(Made(tiny), lambda: drawn.append(1))
    assert not drawn


def test_no_interval_of_shares_goes_beyond_0_and_1(make_data, drawings, monkeypatch):
    values = np.array([[0.99, 0.01], *[[0.9, 0.1], [1.0, 0.0]] * 5])
    monkeypatch.setattr(precision_recall, "precision_recall", lambda *_: values)
    measures = judge(drawings, metrics=("pr",))(DataSet(make_data(60, first=500))).as_dict()["measures"]
    assert (measures["precision"]["high"], measures["recall"]["low"]) == (1, 0)
