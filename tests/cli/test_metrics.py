"""`stylegan metrics`."""

import json
import shutil
import zipfile

import pytest
import small_families
from small_runs import write_pictures

from stylegan_cli import modelfile, store
from stylegan_cli.cli.commands.metrics import _told
from stylegan_cli.errors import StyleganError
from stylegan_cli.metrics.estimates import Estimate
from stylegan_cli.metrics.evaluation import Judge, Measure, Report
from stylegan_cli.metrics.sets import DataSet

NUM = ("--num", 50)
PATHS = ("--num", 20)  # for path lengths, each of which takes two faces in float32


pytestmark = pytest.mark.usefixtures("coarse_features")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("made") / "made.zip"


@pytest.fixture
def made(tiny_stylegan, here, kept):
    """A data set of the tiny model's pictures, drawn once."""
    if not kept.exists():
        tiny_stylegan("sample", "-n", 100, "--dataset", kept, "--size", 32)
    return shutil.copy(kept, here / "made.zip")


def test_a_model_by_data(stylegan, made, tiny_model):
    result = stylegan("metrics", tiny_model, made, *NUM, "--precision", "fp32")
    assert result.exit_code == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "FD-EfficientNet-Lite0",
        "KD-EfficientNet-Lite0",
        "precision-EfficientNet-Lite0",
        "recall-EfficientNet-Lite0",
    ]
    assert "95 %" in result.stdout
    sha256 = store.load(str(tiny_model)).origin.sha256[:8]
    assert f"(sha256 {sha256}, psi 1.0, precision fp32) against {made}: " in result.stderr
    for condition in ("50 pictures each", "seed 0", "compared at 32 pixels", "EfficientNet-Lite0 at 128", "lanczos"):
        assert condition in result.stderr


@pytest.mark.parametrize("num", [100, 101])
def test_a_side_with_fewer_pictures_than_asked_for_is_told(stylegan, made, tiny_model, num):
    """Not of models, which have as many as anybody wants."""
    words = ("metrics", tiny_model, made, "--num", num, "--metrics", "kd")
    result = stylegan(*words)
    told = f"{made} has only 100 pictures of the 101 asked for. Fewer pictures give larger distances"
    assert (result.exit_code, told in result.stderr, result.stderr.count("has only")) == (0, num > 100, num - 100)
    assert "has only" not in stylegan(*words, "--quiet").stderr


def test_a_class_with_fewer_pictures_than_asked_for_is_told(stylegan, here):
    write_pictures(here / "classed", count=120, classes=2)
    modelfile.save(small_families.make("stylegan2", c_dim=2), here / "model.safetensors", {})
    result = stylegan("metrics", "model.safetensors", "classed", "--class", 1, "--num", 70, "--metrics", "kd")
    assert result.exit_code == 0, result.stderr
    assert "classed has only 60 of class 1 of the 70 asked for" in result.stderr


def test_a_folder_called_like_a_model_is_told(stylegan, tiny_model, here):
    """Numbers would be about a model in place of the user's pictures."""
    write_pictures(here / "faces-64", count=60)
    for words in ((tiny_model, "faces-64"), (tiny_model, "--data", "faces-64")):
        result = stylegan("metrics", *words, *NUM, "--metrics", "kd")
        assert (result.exit_code, "write ./faces-64 for the folder" in result.stderr) == (2, True)
    assert stylegan("metrics", tiny_model, "./faces-64", *NUM, "--metrics", "kd").exit_code == 0


def test_json(stylegan, made):
    result = stylegan("metrics", made, made, *NUM, "--metrics", "kd, pr", "--json", "--filter", "box", "--seed", 3)
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert {name: report[name] for name in ("num", "seed", "size", "filter")} == {
        "num": 50, "seed": 3, "size": 32, "filter": "box",
    }  # fmt: skip
    assert list(report["measures"]) == ["kd", "precision", "recall"]
    assert report["subject"] == report["reference"] == str(made)
    assert report["subject_about"] == report["reference_about"] == {"pictures": 100, "resolution": 32}


def test_json_tells_what_a_models_pictures_depend_on(stylegan, made, tiny_model):
    words = ("metrics", tiny_model, made, *NUM, "--metrics", "kd", "--json", "-q", "--precision")
    truncated, coarse = (
        json.loads(stylegan(*words, *more).stdout) for more in (("fp32", "--psi", 0.5), ("bf16", "--psi", 1))
    )
    sha256 = store.load(str(tiny_model)).origin.sha256
    assert truncated["subject_about"] == {"sha256": sha256, "psi": 0.5, "class": None, "precision": "fp32"}
    assert coarse["subject_about"] == {"sha256": sha256, "psi": 1, "class": None, "precision": "bf16"}


def test_labels_that_are_no_classes_are_left_alone(stylegan, tiny_model, here):
    """Such as attributes, which a model without classes does not need, nor a data set that is compared with itself."""
    folder = write_pictures(here / "labelled", count=100)
    labels = [[path.name, [0.5, 1]] for path in folder.iterdir()]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    for side in (tiny_model, folder):
        result = stylegan("metrics", side, folder, *NUM, "--metrics", "kd", "-q")
        assert (result.exit_code, result.stderr) == (0, "")


def test_both_sides_may_be_options(stylegan, made, tiny_model):
    """As NVIDIA's calc_metrics has them."""
    sides = [
        (tiny_model, made),
        ("--network", tiny_model, "--data", made),
        ("--model", tiny_model, made),
        (tiny_model, "--data", made),
    ]
    results = [stylegan("metrics", *words, *NUM, "--metrics", "kd", "--precision", "fp32") for words in sides]
    assert len({(result.exit_code, result.stdout, result.stderr) for result in results}) == 1
    assert results[0].exit_code == 0


@pytest.fixture
def pair(tiny_model, here):
    """Two models, whose pictures differ."""
    modelfile.save(small_families.make("stylegan2"), here / "other.safetensors", {})
    return tiny_model, "other.safetensors"


def test_several_models_are_measured_as_each_alone(stylegan, made, pair, monkeypatch):
    """Against features that are computed once."""
    drawn = []
    draw = DataSet.draw
    monkeypatch.setattr(DataSet, "draw", lambda *of: drawn.append(of) or draw(*of))
    how = ("--metrics", "kd,pr", "--size", 16, "--json", "-q")
    alone = [json.loads(stylegan("metrics", model, made, *NUM, *how).stdout) for model in pair]
    assert len(drawn) == 2 and alone[0]["measures"] != alone[1]["measures"]
    placed = [(*pair, made), (*pair, "--data", made), (pair[1], made, "--model", pair[0])]
    for words in placed:
        drawn.clear()
        result = stylegan("metrics", *words, *NUM, *how)
        assert (result.exit_code, result.stderr, json.loads(result.stdout)) == (0, "", alone)
        assert len(drawn) == 1


def test_lines_name_which_of_several_models_they_are_about(stylegan, made, pair):
    result = stylegan("metrics", *pair, made, "--num", 101, "--metrics", "kd", "--precision", "fp32")
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [
        [str(model), "KD-EfficientNet-Lite0"] for model in pair
    ]
    assert len({line.index("KD-") for line in result.stdout.splitlines()}) == 1
    assert (result.stderr.count(f"against {made}"), result.stderr.count("has only 100")) == (2, 1)


def test_a_model_that_cannot_be_measured_does_not_stop_the_others(stylegan, made, pair, here):
    (here / "bad.safetensors").write_bytes(b"nothing")
    result = stylegan("metrics", "bad.safetensors", *pair, made, *NUM, "--metrics", "kd", "--json", "-q")
    assert result.exit_code == 1
    assert [one["subject"] for one in json.loads(result.stdout)] == ["tiny", "other"]
    told, last = result.stderr.splitlines()
    assert told.startswith("Error: bad.safetensors ")
    assert last == "Error: 1 of 3 models could not be measured."


def test_a_name_that_there_is_not_is_told_before_anything_is_measured(stylegan, made, tiny_model):
    result = stylegan("metrics", tiny_model, "nobody", made, *NUM)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert "there is neither a model nor a data set 'nobody'" in result.stderr


def test_what_is_measured_is_not_lost(stylegan, made, pair, monkeypatch):
    """If the second one is stopped."""
    judged = Judge.__call__

    def stopped(judge, subject, on_picture):
        if subject.title == "other":
            raise KeyboardInterrupt
        return judged(judge, subject, on_picture)

    monkeypatch.setattr(Judge, "__call__", stopped)
    result = stylegan("metrics", *pair, made, *NUM, "--metrics", "kd", "--json")
    assert result.exit_code == 130
    assert [one["subject"] for one in json.loads(result.stdout)] == ["tiny"]


def test_path_lengths_of_several_models(stylegan, made, pair):
    """Models are no DATA, but a data set is none that could be measured."""
    words = ("metrics", *pair, *PATHS, "--metrics", "ppl")
    both = stylegan(*words)
    assert (both.exit_code, len(both.stdout.splitlines())) == (0, 2), both.stderr
    assert stylegan(*words, made).stdout == both.stdout
    reports = json.loads(stylegan(*words, "--json", "-q").stdout)
    assert [(one["subject"], one["reference"]) for one in reports] == [("tiny", "tiny"), ("other", "other")]


@pytest.mark.parametrize("num", [9, 10])
def test_as_many_paths_as_the_interval_needs(stylegan, tiny_model, num):
    result = stylegan("metrics", tiny_model, "--metrics", "ppl", "--num", num)
    told = "Error: 9 paths are too few for an interval; use at least 10.\n"
    assert (result.exit_code, result.stderr == told) == ((2, True) if num == 9 else (0, False))
    assert len(result.stdout.splitlines()) == num - 9


@pytest.mark.parametrize("words", [(), ("a",), ("--data", "a"), ("--model", "a")])
def test_sides_that_are_too_many_or_too_few(stylegan, words):
    result = stylegan("metrics", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "stylegan metrics MODEL DATA, or --network MODEL --data DATA" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_fid(stylegan, here, tiny_model):
    """With the real network: stripes and a model of random weights have nothing in common."""
    write_pictures(here / "stripes", count=50)
    result = stylegan("metrics", tiny_model, "stripes", *NUM, "--features", "inception", "--metrics", "fd,kd", "--json")
    report = json.loads(result.stdout)
    assert (report["features"], report["features_size"]) == ("Inception", 16)
    assert [report["measures"][name]["title"] for name in ("fd", "kd")] == ["FID", "KID"]
    assert 200 < report["measures"]["fd"]["value"] < 600


def test_the_same_again(stylegan, made, tiny_model):
    words = ("metrics", tiny_model, made, *NUM, "--metrics", "kd,pr")
    first, again, other = (stylegan(*words, *more).stdout for more in ([], [], ["--psi", 0.2]))
    assert first == again != other


def test_a_metric_that_is_named_twice_is_told_once(stylegan, made):
    result = stylegan("metrics", made, made, *NUM, "--metrics", "kd, kd")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)


def test_a_run_stands_for_its_model(stylegan, made, tiny_model, here):
    (here / "run").mkdir()
    (here / "run/network-snapshot.safetensors").write_bytes(tiny_model.read_bytes())
    words = (made, *NUM, "--metrics", "kd", "-q")
    assert stylegan("metrics", here / "run", *words).stdout == stylegan("metrics", tiny_model, *words).stdout != ""


def test_path_length_is_measured_in_float32(stylegan, made, tiny_model):
    result = stylegan("metrics", tiny_model, made, *PATHS, "--metrics", "ppl", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("PPL-EfficientNet-Lite0")


def test_data_without_classes_are_all_of_the_one(stylegan, made, here):
    modelfile.save(small_families.make("stylegan2", c_dim=2), here / "two.safetensors", {})
    result = stylegan("metrics", "two.safetensors", made, "--class", 1, "--metrics", "kd", *NUM)
    assert result.exit_code == 0, result.stderr
    assert f"{made} has no classes, so all its pictures are taken for class 1." in result.stderr


def test_path_length_is_that_of_psi_1(stylegan, tiny_model):
    """Which may be said, and changes nothing."""
    words = ("metrics", tiny_model, *PATHS, "--metrics", "ppl")
    result = stylegan(*words, "--psi", 1)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == stylegan(*words).stdout != ""
    assert "psi 1.0" in result.stderr


def test_path_length_needs_no_data(stylegan, made, tiny_model):
    alone = stylegan("metrics", tiny_model, *PATHS, "--metrics", "ppl")
    assert alone.exit_code == 0, alone.stderr
    assert alone.stdout == stylegan("metrics", tiny_model, made, *PATHS, "--metrics", "ppl").stdout
    assert alone.stdout == stylegan("metrics", tiny_model, *PATHS, "--metrics", "ppl,ppl").stdout
    assert alone.stderr.splitlines()[-1].endswith("paths, seed 0.")
    assert "against" not in alone.stderr
    report = json.loads(stylegan("metrics", tiny_model, *PATHS, "--metrics", "ppl", "--json", "-q").stdout)
    assert report["size"] is report["features_size"] is report["filter"] is report["features"] is None


@pytest.fixture
def turning(here):
    """A StyleGAN3-R: its pictures can be moved and turned."""
    model = small_families.make("stylegan3", 1, resolution=32, conv_kernel=1, use_radial_filters=True)
    modelfile.save(model, here / "turning.safetensors", {})
    return "turning.safetensors"


def test_equivariance(stylegan, turning, here):
    """Of models alone: one line each, and nothing is said about data."""
    modelfile.save(small_families.make("stylegan3", 1, resolution=32), here / "moving.safetensors", {})
    words = ("metrics", turning, "moving.safetensors", "--metrics", "eqt_int,eqt_frac,eqr", "--num", 12)
    result = stylegan(*words)
    assert result.exit_code == 0, result.stderr
    told = [" ".join(line.split()[:3]) for line in result.stdout.splitlines()]
    titles = ("EQ-T (dB)", "EQ-T_frac (dB)", "EQ-R (dB)")
    assert told == [f"{model} {title}" for model in (turning, "moving.safetensors") for title in titles]
    assert result.stdout.count("(jackknife of 10 groups)") == 6
    assert result.stderr.splitlines()[-1].endswith("psi 1.0, precision fp32): 12 pictures, seed 0.")
    reports = json.loads(stylegan(*words, "--json", "-q").stdout)
    turned, moved = ({name: one["value"] for name, one in report["measures"].items()} for report in reports)
    assert list(turned) == ["eqt_int", "eqt_frac", "eqr"]
    assert turned["eqr"] > 60 > 35 > moved["eqr"] and min(turned["eqt_int"], moved["eqt_int"]) > 45


def test_equivariance_is_the_same_again(stylegan, turning):
    """By itself, beside others and with data; but not with another seed, or in half precision, which is allowed."""
    words = ("metrics", turning, "--num", 10, "-q", "--metrics")
    first, again, beside, other, coarse = (
        stylegan(*words, *more).stdout.splitlines()
        for more in (["eqr"], ["eqr"], ["eqt_int,eqr"], ["eqr", "--seed", 1], ["eqr", "--precision", "bf16"])
    )
    assert first == again == beside[1:]
    assert first != other and float(coarse[0].split()[2]) < float(first[0].split()[2]) - 5


@pytest.mark.parametrize("names", ["fd", "ppl", "eqr"])
def test_nothing_is_fetched_for_a_model_that_is_refused(stylegan, made, here, monkeypatch, names):
    def fail(*_of):
        raise AssertionError("fetched")

    monkeypatch.setattr("stylegan_cli.cli.features.opened", fail)
    monkeypatch.setattr("stylegan_cli.cli.measuring.fetch", fail)
    modelfile.save(small_families.make("stylegan2", start=(4, 2)), here / "high.safetensors", {})
    result = stylegan("metrics", "high.safetensors", made, "--metrics", names)
    assert (result.exit_code, "measuring needs square pictures" in result.stderr) == (2, True), result.stderr


def test_features_that_cannot_be_had_are_told_once(stylegan, made, pair, monkeypatch):
    def fail(*_of):
        raise StyleganError("there is no network")

    monkeypatch.setattr("stylegan_cli.cli.features.opened", fail)
    result = stylegan("metrics", *pair, made, *NUM)
    assert (result.exit_code, result.stderr) == (1, "Error: there is no network.\n")


def test_equivariance_fetches_nothing(stylegan, turning, monkeypatch):
    monkeypatch.setattr("stylegan_cli.cli.features.opened", None)
    monkeypatch.setattr("stylegan_cli.cli.measuring.fetch", None)
    result = stylegan("metrics", turning, "--metrics", "eqt_int", "--num", 10)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nobody", "made.zip"], 2, "there is neither a model nor a data set 'nobody'; known models are faces-64, "),
        (["tiny", "nowhere"], 2, "there is neither a model nor a data set 'nowhere'"),
        (["tiny", "nowhere.ZIP"], 2, "there is no folder or zip nowhere.ZIP"),
        (["made.zip", "nowhere.zip"], 2, "there is no folder or zip nowhere.zip"),
        (["made.zip", "empty.zip"], 1, "there is no picture in empty.zip"),
        (["made.zip", "made.zip", "--metrics", "fid"], 2, "no metric 'fid'"),
        (["made.zip", "made.zip", "--metrics", "ppl"], 2, "is measured on a model"),
        (["made.zip", "--metrics", "ppl"], 2, "is measured on a model"),
        (["tiny"], 2, "compares each MODEL with one DATA"),
        (["tiny", "--metrics", "fd,ppl"], 2, "compares each MODEL with one DATA"),
        (["made.zip", "made.zip", "--num", "3"], 2, "too few"),
        (["made.zip", "made.zip", "--filter", "nearest"], 2, "no resize filter 'nearest'"),
        (["made.zip", "made.zip", "--features", "vgg"], 2, "no features 'vgg'"),
        (["tiny", "made.zip", "--metrics", "fid50k_full"], 2, "nearest: --metrics fd --features inception"),
        (["tiny", "--metrics", "ppl", "--filter", "box", "--size", "8"], 2, "leave out --size and --filter"),
        (["tiny", "--metrics", "ppl", "--features", "inception"], 2, "no pictures; leave out --features"),
        (["tiny", "made.zip", "--metrics", "ppl", "--psi", "0.5"], 2, "without truncation; leave out --psi"),
        (["tiny", "--metrics", "eqt_int,eqr"], 2, "is a mobilestylegan and cannot move or turn faces; StyleGAN3 can"),
        (["tiny", "made.zip", "--metrics", "kd,eqr"], 2, "equivariance cannot be measured: tiny is a mobilestylegan"),
        (["made.zip", "--metrics", "eqr"], 2, "eqr is measured on a model"),
        (["tiny", "--metrics", "eqr", "--filter", "box"], 2, "equivariance compare no pictures; leave out --filter"),
        (["tiny", "--metrics", "eqr", "--psi", "0.5"], 2, "without truncation; leave out --psi"),
        (["tiny", "--metrics", "eqt50k_int,eqr50k"], 2, "nearest: --metrics eqt_int --num 50000"),
        (["tiny", "made.zip", "--class", "1"], 2, "has no classes"),
        (["made.zip", "made.zip", "--class", "1"], 2, "neither side is a model; leave out --class"),
        (["made.zip", "made.zip", "--psi", "0.5"], 2, "neither side is a model; leave out --psi"),
        (["made.zip", "made.zip", "--precision", "bf16"], 2, "neither side is a model; leave out --precision"),
        (["tiny", "made.zip", "--metrics", "ppl", "--precision", "bf16"], 2, "path length needs fp32; leave"),
    ],
)
def test_mistakes_cost_one_sentence(stylegan, made, tiny_model, here, arguments, code, message):
    with zipfile.ZipFile(here / "empty.zip", "w"):
        pass
    arguments = [str(tiny_model) if word == "tiny" else word for word in arguments]
    result = (
        stylegan("metrics", *arguments, "--num", 50) if "--num" not in arguments else stylegan("metrics", *arguments)
    )
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("num", "title", "is_warned"), [(2000, "FID", True), (50_000, "FID", False), (50, "KD", False)]
)
def test_fid_of_few_pictures_is_not_what_others_report(num, title, is_warned):
    measures = (Measure("fd", title, Estimate(1, 1, 1), ""),)
    report = Report("a", {}, "b.zip", {}, num, num, 0, 64, 299, "lanczos", "some", measures)
    assert any("--num 50000" in sentence for sentence in _told(report, num)) == is_warned


@pytest.mark.slow
def test_truncated_faces_lack_variety(stylegan, here, fine_features):
    stylegan("sample", "--model", "faces-64", "-n", 50, "--seed", 1000, "--psi", 1, "--dataset", "faces.zip")
    result = stylegan("metrics", "faces-64", "faces.zip", *NUM, "--metrics", "pr", "--psi", 0.3, "--json", "-q")
    measures = json.loads(result.stdout)["measures"]
    assert measures["recall"]["value"] < 0.5 < measures["precision"]["value"]
