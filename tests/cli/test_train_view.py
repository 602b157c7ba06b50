"""What `stylegan train` shows while it runs."""

from types import SimpleNamespace

import pytest

from stylegan_cli.cli import train
from stylegan_cli.cli.train.view import View
from stylegan_cli.training.loop import Tick
from stylegan_cli.training.schedule import ByResolution, Growth

STABLE, FADE = ByResolution.parse("8:60,16:50"), ByResolution.parse("16:30,64:40")
GROWING, GROWN = Growth(8, 64, STABLE, FADE), Growth(64, 64, STABLE, FADE)


def tick_of(kimg, resolution, rate=100.0):
    means = {"loss_g": 1.0, "loss_d": 1.0, "sign_real": 0.0}
    return Tick(int(kimg * 1000), 1.0, rate, 0.0, resolution, 16, 0.002, 0.002, 0.0, None, 0.0, 1.0, means)


def left(growth, kimg, resolution):
    return dict(View(330.0, 0, growth)._cells_of(tick_of(kimg, resolution)))["left"]


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
    view, drawn, now = View(1, 0, GROWN), [], [100.0]
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
    view, now = View(330.0, 30.0, GROWN), [100.0]
    monkeypatch.setattr(train.view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for now[0], kimg in ((100.0, 30.1), (101.0, 30.2), (102.0, 30.3)):
        view.step(kimg)
        shown = dict(view._cells)
        assert shown == ({} if kimg == 30.1 else {"pictures/s": "100.0", "left": "0:50 h"})
    view.tick(tick_of(130, 64))
    view.step(130.1)
    assert dict(view._cells)["left"] == "0:33 h"


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
