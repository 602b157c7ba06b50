"""A run's files: the log, sheets and the report."""

import json
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from stylegan_cli import store
from stylegan_cli.errors import StyleganError
from stylegan_cli.training import checkpoints, folder, report, snapshots
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.folder import RunFolder
from stylegan_cli.training.loop import Pace, Tick
from stylegan_cli.training.networks import Start
from stylegan_cli.training.state import begin

CPU = torch.device("cpu")


def tick(nimg):
    return Tick(
        nimg, 1.0, 8.0, 0.0, 16, 8, 0.002, 0.002, 0.25, None, 0.01, 100.0, {"loss_g": 0.5 + nimg, "sign_real": 0.1}
    )


def test_going_back_forgets_later_lines(options, run):
    for nimg in (8, 16, 24):
        run.log(tick(nimg))
    with (run.path / "log.jsonl").open("a") as file:
        file.write('{"nimg": 32, "cut sho')
    run.close()
    RunFolder(run.path).begin(options, 16)
    assert [line["nimg"] for line in run.lines()] == [8, 16]
    assert run.lines()[0]["r_t"] == 0.1
    assert run.options() == options


def test_lines_end_alike_on_all_systems(options, state, run, monkeypatch):
    """Windows would write text with its own ends of lines."""
    really = Path.open

    def on_windows(path, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
        return really(path, mode, buffering, encoding, errors, newline or ("\r\n" if mode in ("w", "a") else None))

    monkeypatch.setattr(Path, "open", on_windows)
    run.log(tick(8))
    run.publish(state, options, {})
    run.remember({"data": Path("faces.zip")})
    run.close()
    RunFolder(run.path).begin(options, 8)
    written = {
        path.name: path.read_bytes() for path in run.path.iterdir() if path.suffix in (".json", ".jsonl", ".html")
    }
    assert {*written} == {"log.jsonl", "report.html", "training_options.json", "command.json"}
    assert all(b"\n" in content and b"\r" not in content for content in written.values())


NO_TIME, NO_NUMBER = ({"nimg": 16, "kimg": 0.016, "seconds": value} for value in (None, "40"))


@pytest.mark.parametrize(
    "line",
    [
        *('{"nimg": 16, "cut sho', "[16]", "16", "{}", '{"nimg": 16, "kimg": 0.016}'),
        *map(json.dumps, (NO_TIME, NO_NUMBER, NO_TIME | {"seconds": float("nan")}, NO_TIME | {"seconds": True})),
    ],
)
def test_a_log_ends_before_what_is_no_measurement(options, run, line):
    run.log(tick(8))
    with (run.path / "log.jsonl").open("a") as file:
        file.write(f"{line}\n")
    assert [line["nimg"] for line in run.lines()] == [8]
    run.close()
    RunFolder(run.path).begin(options, 100)
    assert (run.path / "log.jsonl").read_text().count("\n") == 1


def test_reports_leave_out_what_is_no_number(options, run, state):
    run.log(tick(8))
    with (run.path / "log.jsonl").open("a") as file:
        file.write('{"nimg": 16, "kimg": 0.016, "seconds": 1, "loss_g": "x", "p": [1], "r_t": Infinity}\n')
    run.publish(state, options, {})
    assert "Losses" in (run.path / "report.html").read_text()


def test_what_follows_a_damaged_line_is_kept(options, run):
    run.log(tick(8))
    with (run.path / "log.jsonl").open("ab") as file:
        file.write(b"\0\0\0\n")
    run.log(tick(16))
    run.close()
    RunFolder(run.path).begin(options, 100)
    assert [line["nimg"] for line in run.lines()] == [8, 16]


def test_one_process_at_a_time(options, tmp_path):
    """Also after the first one was killed, which leaves the lock's file but no lock."""
    run, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    run.lock()
    run.begin(options, 0)
    run.log(tick(8))
    with pytest.raises(StyleganError, match=r"run is being trained by another process; wait until it ends, or stop it"):
        other.lock()
    other.close()
    assert len(run.lines()) == 1
    assert (run.path / folder.LOCK).exists()
    run.close()
    assert not (run.path / folder.LOCK).exists()
    (run.path / folder.LOCK).touch()
    other.lock()
    other.close()


def test_what_a_killed_process_left_is_swept_away(options, run):
    """By who trains next, and only what is a run's own."""
    run.close()
    names = ["network-snapshot.77.part.safetensors", "report.77.part.html", "fakes000001.77.part.png"]
    names += ["log.77.part.jsonl", "training.77.part.mp4", "network-snapshot-000001.77.part.safetensors"]
    left = [run.path / f".{name}" for name in names] + [
        run.checkpoints / f".{name}.77.part.safetensors" for name in ("000000000008", "best")
    ]
    others = [run.path / ".mix.77.part.png", run.path / ".notes", run.checkpoints / "000000000008.safetensors"]
    for path in left + others:
        path.write_bytes(b"half")
    assert run.options() == options
    assert all(path.exists() for path in left)  # to read is not to train
    run.lock()
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_a_run_that_was_killed_before_it_began(options, tmp_path):
    """What it left is nothing that another command would have to go out of the way of."""
    run = RunFolder(tmp_path)
    (tmp_path / ".lock").touch()
    run.checkpoints.mkdir()
    (tmp_path / ".training_options.77.part.json").touch()
    assert run.options() is None
    run.lock()
    run.begin(options, 0)
    assert run.options() == options
    run.close()


def test_what_finder_and_explorer_add_does_not_count(options, tmp_path):
    """Nor is it the run's to remove."""
    added = [tmp_path / name for name in (".DS_Store", "._.DS_Store", "Thumbs.db", "desktop.ini")]
    for path in added:
        path.touch()
    run = RunFolder(tmp_path)
    assert run.options() is None
    run.lock()
    run.begin(options, 0)
    run.close()
    assert run.options() == options
    assert all(path.exists() for path in added)


@pytest.mark.parametrize("name", ["checkpoints/mine.safetensors", "thesis.txt"])
def test_folders_of_somebody_elses(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(StyleganError, match="contains no run of stylegan train"):
        RunFolder(tmp_path).options()


def metric(value, name="fd"):
    return {"name": name, "title": f"{name.upper()}-means", "value": value, "floor": 7.0, "num": 1000, "seconds": 2.0}


@pytest.fixture
def run(options, tmp_path):
    """One that has just begun, and published something."""
    run = RunFolder(tmp_path / "run")
    run.lock()
    run.begin(options, 0)
    run.snapshot.write_text("model")
    yield run
    run.close()


def test_the_best_model_is_kept(options, state, run):
    for value in (3.0, 1.0, 2.0):
        run.snapshot.write_text(f"model of {value}")
        state.progress.nimg += 8
        checkpoints.save(state, run.checkpoints)
        run.measure([metric(value), metric(-value, "kd")], state, options)
    assert (run.path / "network-best.safetensors").read_text() == "model of 1.0"
    assert checkpoints.read(run.checkpoints / "best.safetensors")[1]["nimg"] == 16
    assert [int(path.stem) for path in checkpoints.found(run.checkpoints)] == [16, 24]
    for value, best in ((5.0, 1.0), (6.0, 1.0), (4.0, 4.0)):  # by another metric: nobody knows how good the best is
        run.snapshot.write_text(f"model of {value}")
        run.measure([metric(value, "pr")], state, options)
        assert (run.path / "network-best.safetensors").read_text() == f"model of {best}"


def test_a_model_that_has_grown_replaces_the_best_one(options, state, run):
    """After 8 pictures, it has grown; compared are those with as many details."""
    options = replace(options, cfg="stylegan1", first_res=8, stable_kimg="0.006", fade_kimg="0.002")
    for nimg, value, best in (
        (2, 1.0, 1.0),
        (4, 2.0, 1.0),
        (7, 4.0, 4.0),
        (8, 5.0, 5.0),
        (16, 6.0, 5.0),
        (24, 3.0, 3.0),
    ):
        run.snapshot.write_text(f"model of {value}")
        state.progress.nimg = nimg
        checkpoints.save(state, run.checkpoints)
        run.measure([metric(value)], state, options)
        assert (run.path / "network-best.safetensors").read_text() == f"model of {best}"


@pytest.mark.parametrize("more", [{"title": "FID"}, {"num": 500}])
def test_the_best_model_is_judged_by_numbers_of_one_kind(options, state, run, more):
    """Other features, and other numbers of pictures, give other distances."""
    for value, how, best in ((3.0, {}, 3.0), (1.0, more, 3.0), (2.0, {}, 2.0)):
        run.snapshot.write_text(f"model of {value}")
        state.progress.nimg += 8
        checkpoints.save(state, run.checkpoints)
        run.measure([metric(value) | how], state, options)
        assert (run.path / "network-best.safetensors").read_text() == f"model of {best}"
    page = (run.path / "report.html").read_text()
    assert page.count("pictures a side</h3>") == 2


def test_the_best_model_changes_together_with_its_checkpoint(options, state, run, monkeypatch):
    """A process that is killed while it copies them leaves the former ones, which belong together."""
    copyfile, copied = shutil.copyfile, []

    def killed(source, path):
        copied.append(source)
        if len(copied) == 4:
            raise KeyboardInterrupt
        copyfile(source, path)

    monkeypatch.setattr(shutil, "copyfile", killed)
    for value in (3.0, 1.0):
        run.snapshot.write_text(f"model of {value}")
        state.progress.nimg += 8
        checkpoints.save(state, run.checkpoints)
        with suppress(KeyboardInterrupt):
            run.measure([metric(value)], state, options)
    assert len(copied) == 4
    assert (run.path / "network-best.safetensors").read_text() == "model of 3.0"
    assert checkpoints.read(run.checkpoints / "best.safetensors")[1]["nimg"] == 8


def test_metrics_are_kept_as_the_log_is(options, state, run):
    assert run.measured() == []
    for nimg in (8, 16, 24):
        state.progress.nimg = nimg
        checkpoints.save(state, run.checkpoints)
        run.measure([metric(100.123456789 - nimg), metric(0.5, "kd")], state, options)
    assert [(line["nimg"], line["value"]) for line in run.measured()[::2]] == [
        (8, 92.1235),
        (16, 84.1235),
        (24, 76.1235),
    ]
    page = (run.path / "report.html").read_text()
    assert "FD-means, 1,000 pictures a side" in page and "KD-means" in page
    run.close()
    RunFolder(run.path).begin(options, 16)
    assert [line["kimg"] for line in run.measured()] == [0.008, 0.008, 0.016, 0.016]


def test_the_chart_of_a_metric_has_its_floor(options):
    measured = [{"kimg": kimg, **metric(value)} for kimg, value in ((10, 14.0), (20, 10.5))]
    page = report.html(options, [], measured, [])
    generated, floor = re.findall(r'<polyline[^>]* points="([^"]*)"', page)
    (left, high), (right, low) = (map(float, point.split(",")) for point in generated.split())
    points = [tuple(map(float, point.split(","))) for point in floor.split()]
    (level,) = {down for _, down in points}  # a line across, from the very beginning
    assert (points[0][0], points[-1][0]) == (report.MARGIN, right)
    assert left < right and high < low < level
    assert page.count("<circle") == 5


@pytest.mark.parametrize(
    ("of_data", "title"), [(1000, "a side"), (70_000, "against 70,000"), ("many", "a side"), (None, "a side")]
)
def test_the_chart_of_a_metric_says_how_many_pictures(options, of_data, title):
    page = report.html(options, [], [{"kimg": 10, **metric(1.0), "reference_num": of_data}], [])
    assert f"<h3>FD-means, 1,000 pictures {title}</h3>" in page


def test_the_chart_of_a_metric_has_its_interval(options):
    around = [(10, 14.0, 12.0, 16.0), (20, 10.5, 9.5, 12.0)]
    measured = [{"kimg": kimg, **metric(value), "low": low, "high": high} for kimg, value, low, high in around]
    page = report.html(options, [], measured, [])
    (band,) = re.findall(r'<polygon[^>]* points="([^"]*)"', page)
    (generated, _) = re.findall(r'<polyline[^>]* points="([^"]*)"', page)
    first, last, above_last, above_first = (tuple(map(float, point.split(","))) for point in band.split())
    (left, one), (right, other) = (map(float, point.split(",")) for point in generated.split())
    assert (first[0], last[0], above_last[0], above_first[0]) == (left, right, right, left)
    assert above_first[1] < one < first[1] and above_last[1] < other < last[1]
    assert above_first[1] == report.MARGIN / 2  # the highest value of the chart


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"loss_g": 3.0}, {}),
        ({"loss_g": -3.0, "loss_d": 1.0}, {"0": 0.75}),
        ({"r_t": 0.2, "p": 0.4}, {"target": 1}),
        ({"r_t": -0.6, "p": 0.4}, {"0": 0.5, "target": 1}),
    ],
)
def test_lines_to_compare_with(options, values, expected):
    """Zero, where a chart goes below it, and the r_t that adaptive augmentation aims for."""
    page = report.html(replace(options, aug="ada", target=0.6), [{"kimg": 1, "seconds": 1, **values}], [], [])
    found = re.findall(r'<path d="M44,([\d.]+) H516.0"[^>]*/><text [^>]*>([^<]*)</text>', page)
    height = report.HEIGHT - report.MARGIN
    shares = {name: 1 - (float(down) - report.MARGIN / 2) / height for down, name in found}
    assert shares == pytest.approx(expected)
    assert "target<" not in report.html(replace(options, aug="none"), [{"kimg": 1, "seconds": 1, **values}], [], [])


def test_a_short_run_has_its_kimg(options):
    page = report.html(options, [{"kimg": 0.048, "seconds": 1, "loss_g": 1.0}], [], [])
    assert ">0.048 kimg<" in page


@pytest.mark.parametrize("line", ["{", '{"kimg": 0.016, "nimg": 16, "value": 1.0, "seconds": 2.0}'])
def test_metrics_end_before_what_is_none(options, state, run, line):
    checkpoints.save(state, run.checkpoints)
    run.measure([metric(1.0)], state, options)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(f"{line}\n")
    assert [line["value"] for line in run.measured()] == [1.0]


def test_a_title_is_text(options):
    page = report.html(options, [], [{"kimg": 10, **metric(1.0), "title": '<script>FD</script> "quoted"'}], [])
    assert "<script" not in page
    assert page.count("&lt;script&gt;FD&lt;/script&gt; &quot;quoted&quot;, 1,000 pictures a side") == 2


def test_what_is_published_knows_its_centre(options, state, pictures, run):
    """That of the weights as they are."""
    with torch.no_grad():
        dict(state.average.named_parameters())["mapping.fc0.bias"].fill_(300.0)
        w = state.average.to_w(torch.randn(4000, 4))
    assert w.mean() > 1
    snapshots.complete(state, options, Pictures(pictures, None))
    run.publish(state, options, {})
    centre = store.load(str(run.snapshot)).prepare(CPU, torch.float32).w_avg
    torch.testing.assert_close(centre, w.mean(dim=0), atol=0.05, rtol=0.05)


def test_to_publish_changes_nothing_that_is_learned(options, state, run):
    before = state.tensors()
    run.publish(state, options, {})
    after = state.tensors()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_room_is_asked_for_what_a_run_writes(options, state, tmp_path, monkeypatch):
    """Four checkpoints with Adam's moments and three models, before the first step; less what is there already."""
    run, learned = RunFolder(tmp_path / "run"), begin(options, Start(), CPU)
    for adam in (learned.g_adam, learned.d_adam):
        for parameter in adam.param_groups[0]["params"]:
            parameter.grad = torch.zeros_like(parameter)
        adam.step()
    checkpoint = sum(tensor.nbytes for tensor in learned.tensors().values())
    model = sum(tensor.nbytes for tensor in state.average.state_dict().values())
    needed = 4 * checkpoint + 3 * model

    def check(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2 * free, free, free))
        folder.check_room(run, state, Pace(0.1, 0.02, 2))

    check(1.02 * needed)
    with pytest.raises(StyleganError, match="MB left, but this run needs"):
        check(0.98 * needed)
    run.lock()
    run.begin(options, 0)
    run.publish(learned, options, {})
    run.close()
    there = sum(path.stat().st_size for path in (run.snapshot, *run.checkpoints.iterdir()))
    check(1.02 * needed - there)
    with pytest.raises(StyleganError, match="MB left, but this run needs"):
        check(0.98 * needed - there)
    run.keeps = True
    needed += 3 * model - there
    check(1.02 * needed)
    with pytest.raises(StyleganError, match="MB left, but this run needs"):
        check(0.98 * needed)


def test_a_film_needs_two_sheets(tmp_path):
    run = RunFolder(tmp_path)
    assert run.film() is None
    for kimg in (0, 1):
        Image.new("RGB", (32, 32), (kimg * 255, 0, 0)).save(tmp_path / f"fakes{kimg:06d}.png")
        assert (run.film() is None) == (kimg == 0)
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["training.mp4"]


def test_every_snapshot_has_a_sheet_of_its_own(options, state, run):
    """The first one within a kimg is called as NVIDIA's are."""
    for nimg in (1000, 1008, 1992, 2000, 2008, 12000):
        state.progress.nimg = nimg
        run.publish(state, options, {})
    names = ["000001", "000001.008", "000001.992", "000002", "000002.008", "000012"]
    assert run.sheets() == [(float(name), run.path / f"fakes{name}.png") for name in names]
    page = (run.path / "report.html").read_text()
    assert ">1.008 kimg<" in page and ">12 kimg<" in page


def test_other_files_end_no_run(tmp_path):
    """A copy that a file manager made, and what is no picture."""
    Image.new("RGB", (8, 8)).save(tmp_path / "fakes000003.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "fakes000003 (1).png")
    (tmp_path / "fakes000007.png").write_text("hello")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "fakes000009.png")  # more pixels than Pillow opens
    assert RunFolder(tmp_path).sheets() == [(3, tmp_path / "fakes000003.png")]


def test_damaged_options_are_told(tmp_path):
    (tmp_path / "training_options.json").write_text("{")
    with pytest.raises(StyleganError, match=r"training_options.json is damaged"):
        RunFolder(tmp_path).options()


def test_a_report_stands_alone_and_stays_small(options, tmp_path):
    sheets = []
    for i in range(30):
        path = tmp_path / f"fakes{i:06d}.png"
        Image.new("RGB", (64, 64), (i, 0, 0)).save(path)
        sheets.append((i, path))
    lines = [{"kimg": i, "seconds": 36, "loss_g": i, "loss_d": -i, "lod": 0.0, "r_t": None} for i in range(5000)]
    page = report.html(options, lines, [], sheets)
    assert page.count("<img") == report.SHEETS
    assert ">29 kimg<" in page and ">0 kimg<" in page
    assert "50.00 hours" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "Path length" not in page and "Overfitting" not in page and "lod)" not in page
    assert len(page) < 200_000
    assert json.loads(re.search(r"<pre>(.*)</pre>", page, re.DOTALL)[1].replace("&quot;", '"'))["cfg"] == options.cfg


def test_a_report_of_nothing(options):
    assert "0.0 thousand pictures" in report.html(options, [], [], [])
