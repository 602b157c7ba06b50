"""Curves for TensorBoard."""

import sys
from types import ModuleType

import pytest

from stylegan_cli.training.board import Board


class Writer:
    """What torch's SummaryWriter does, in a list."""

    calls = []  # noqa: RUF012

    def __init__(self, folder, purge_step):
        self.calls.append((folder, purge_step))

    def add_scalar(self, name, value, step):
        self.calls.append((name, value, step))

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")


def test_where_it_is_installed(tmp_path, monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(Writer, "calls", [])
    board = Board(tmp_path, 16)
    board.add("training", {"loss_g": 0.5, "r_t": None, "resolution": 16}, 24)
    board.close()
    assert Writer.calls == [
        (str(tmp_path), 17), ("training/loss_g", 0.5, 24), ("training/resolution", 16, 24), "flush", "close",
    ]  # fmt: skip


def test_where_it_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    board = Board(tmp_path, 0)
    board.add("training", {"loss_g": 0.5}, 24)
    board.close()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


class Broken:
    """Finds an old TensorBoard, which a new numpy or protobuf breaks."""

    def __init__(self, error):
        self.error = error

    def find_spec(self, name, *_):
        if name == "torch.utils.tensorboard":
            raise self.error


@pytest.mark.parametrize(
    "error", [AttributeError("`np.bool8` was removed"), TypeError("Descriptors cannot be created")]
)
def test_where_it_is_broken(tmp_path, monkeypatch, error):
    monkeypatch.setattr(sys, "meta_path", [Broken(error), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    board = Board(tmp_path, 0)
    board.add("training", {"loss_g": 0.5}, 24)
    board.close()
    assert list(tmp_path.iterdir()) == []


def test_its_own_reader_reads_them(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for nimg, more in ((0, (8, 16, 24)), (16, (24, 32))):  # the second run goes on after 16 pictures
        board = Board(tmp_path, nimg)
        for seen in more:
            board.add("training", {"loss_g": seen + nimg / 100}, seen)
        board.close()
    events = reader.EventAccumulator(str(tmp_path)).Reload().Scalars("training/loss_g")
    assert [event.step for event in events] == [8, 16, 24, 32]
    assert [event.value for event in events] == pytest.approx([8, 16, 24.16, 32.16])
