"""A command that is asked to stop, once or several times."""

import signal

import pytest
import typer

from stylegan_cli.cli import stopping
from stylegan_cli.cli.boundary import boundary
from stylegan_cli.cli.stopping import Stopped, asked_to_stop

GENERAL = "Stopped. Finished results are kept; nothing is half-written.\n"


@pytest.fixture(autouse=True)
def a_long_moment(monkeypatch):
    monkeypatch.setattr(stopping, "MOMENT", float("inf"))


def test_only_another_ctrl_c_ends_at_once(monkeypatch):
    """A second SIGTERM, as of a scheduler that asks every process of a group, waits for the present step, too; and so
    does a Ctrl-C that torchrun repeats."""
    with asked_to_stop() as asked:
        assert not asked()
        try:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:  # which would end pytest
            pytest.fail("ended at once")
        assert asked()
        monkeypatch.setattr(stopping, "MOMENT", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("repeated", [signal.SIGINT, signal.SIGTERM])
def test_a_command_on_its_way_out_tells_one_sentence(capsys, repeated):
    """Torchrun may repeat a Ctrl-C, or send SIGTERM because another process has ended, when the work has stopped."""
    with pytest.raises(typer.Exit) as ended, boundary():
        with asked_to_stop():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(repeated)
        raise Stopped("Stopped after two pictures.")
    assert (ended.value.exit_code, capsys.readouterr().err) == (130, "Stopped after two pictures.\n")


def test_cleaning_up_is_not_interrupted_by_a_repeated_ctrl_c(capsys):
    cleaned = []
    with pytest.raises(typer.Exit), boundary():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned.append(True)
    assert (cleaned, capsys.readouterr().err) == ([True], GENERAL)


def test_cleaning_up_that_takes_too_long_can_be_interrupted(capsys, monkeypatch):
    with pytest.raises(typer.Exit), boundary():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            monkeypatch.setattr(stopping, "MOMENT", -1.0)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("went on")
    assert capsys.readouterr().err == GENERAL


@pytest.mark.parametrize(("rank", "said"), [("0", GENERAL), ("1", "")])
def test_of_several_processes_one_tells(capsys, monkeypatch, rank, said):
    monkeypatch.setenv("RANK", rank)
    with pytest.raises(typer.Exit) as ended, boundary():
        signal.raise_signal(signal.SIGTERM)
    assert (ended.value.exit_code, capsys.readouterr().err) == (130, said)


def test_each_command_is_asked_anew():
    for _ in range(2):
        with pytest.raises(typer.Exit), boundary():
            signal.raise_signal(signal.SIGINT)
            pytest.fail("went on")
