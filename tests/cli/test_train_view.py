"""What `stylegan train` shows while it runs."""

from types import SimpleNamespace

import pytest

from stylegan_cli.cli import train
from stylegan_cli.cli.train.view import LiveView
from stylegan_cli.training.loop import Tick
from stylegan_cli.training.schedule import ByResolution, Growth

STABLE, FADE = ByResolution.parse("8:60,16:50"), ByResolution.parse("16:30,64:40")
GROWING, GROWN = Growth(8, 64, STABLE, FADE), Growth(64, 64, STABLE, FADE)


def tick_of(kimg, resolution, rate=100.0):
    means = {"loss_g": 1.0, "loss_d": 1.0, "sign_real": 0.0}
    return Tick(int(kimg * 1000), 1.0, rate, 0.0, resolution, 16, 0.002, 0.002, 0.0, None, 0.0, 1.0, means)


def left(growth, kimg, resolution):
    return dict(LiveView(330.0, 0, growth)._cells_of(tick_of(kimg, resolution)))["left"]


@pytest.mark.parametrize(
    ("growth", "kimg", "resolution", "shown"),
    [
        (GROWN, 30, 64, "0:50 h"),
        (GROWING, 270, 64, "0:10 h"),
        # 60 kimg at 8 pixels, then 80 at 16, 80 at 32 and 110 at 64, which take 2, 4 and 8 times as long.
        (GROWING, 0, 8, "about 3:56 h"),
        (GROWING, 140, 16, "about 1:40 h"),
        (GROWING, 330, 64, "0:00 h"),
    ],
)
def test_time_left_knows_that_larger_pictures_take_longer(growth, kimg, resolution, shown):
    assert left(growth, kimg, resolution) == shown


def test_tables_are_drawn_no_more_often_than_anybody_can_read(monkeypatch):
    view, drawn, now = LiveView(1, 0, GROWN), [], [100.0]
    view._live = SimpleNamespace(update=lambda *_, **__: drawn.append(now[0]))
    monkeypatch.setattr(train.view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for now[0] in (100.0, 100.01, 100.09, 100.11, 100.12, 100.3):
        view.step(0.5)
    assert drawn == [100.0, 100.11, 100.3]
    view.note("measuring")
    view.tick(tick_of(1, 64))
    assert len(drawn) == 5


def test_time_left_is_told_before_the_first_tick(monkeypatch):
    """From the second step on: the first one takes longer than any other."""
    view, now = LiveView(330.0, 30.0, GROWN), [100.0]
    monkeypatch.setattr(train.view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for now[0], kimg in ((100.0, 30.1), (101.0, 30.2), (102.0, 30.3)):
        view.step(kimg)
        shown = dict(view._cells)
        assert shown == ({} if kimg == 30.1 else {"pictures/s": "100.0", "left": "0:50 h"})
    view.tick(tick_of(130, 64))
    view.step(130.1)
    assert dict(view._cells)["left"] == "0:33 h"


@pytest.mark.parametrize(
    ("pixels", "wanted", "classes", "of_model", "told"),
    [
        (32, 32, 0, 0, []),
        (16, 16, 0, 0, ["m makes 32 pixels, and this run 16: its layers for more are left out."]),
        (64, 64, 0, 0, ["m makes 32 pixels, and this run 64: layers for more start at random."]),
        (
            64,
            32,
            0,
            0,
            ["The pictures have 64 pixels, and are scaled to the 32 that m makes; use --resolution 64 to add "],
        ),
        (
            32,
            32,
            3,
            3,
            ["Classes are matched by their numbers: the pictures' class 0 goes on as class 0 of m, and so on."],
        ),
        (32, 32, 3, 0, []),
    ],
)
def test_what_is_taken_from_a_model_is_told(pixels, wanted, classes, of_model, told):
    network = SimpleNamespace(family="stylegan1", config={"resolution": 32, "c_dim": of_model})
    model = SimpleNamespace(generator=network, discriminator=network)
    pictures = SimpleNamespace(size=pixels, resolution=wanted)
    said = list(train.view.hints_on_resume("m", model, classes, pictures))
    usual = [line for line in said if "gives the generator" in line or "last layer starts at random" in line]
    assert len(usual) == 1
    rest = [line for line in said if line not in usual]
    assert len(rest) == len(told) and all(line.startswith(words) for line, words in zip(rest, told, strict=True))


def test_beginners_are_told_what_their_run_will_suffer_from():
    def told(pictures, goal, aug="none", warmup=0.0, done=0.0):
        options = SimpleNamespace(growth=GROWING, resolution=64, aug=aug, warmup_kimg=warmup)
        return list(train.view.hints(options, pictures, done, goal))

    (growth,) = told(20_000, 330)
    assert growth == "It begins at 8 pixels, for 60 kimg, and grows until 260 kimg."
    assert told(20_000, 330, done=8) == [] == told(20_000, 20, done=40)
    (short,) = told(20_000, 20)
    assert short.startswith("With --kimg 20 the model grows to 8 pixels, not to 64")
    (few,) = told(160, 330, done=8)
    assert few.startswith("160 pictures are few")
    assert told(160, 330, "ada", done=8) == []
    rest, _ = told(20_000, 330, warmup=50)
    assert rest == "For 50 kimg the discriminator learns alone, and pictures do not change."
    assert told(20_000, 330, warmup=50, done=50) == []
    assert told(20_000, 40, warmup=50)[0].endswith(
        "do not change: use more than --kimg 40, or a shorter --warmup-kimg."
    )
