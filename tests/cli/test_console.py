"""What the user sees: data on stdout, prose on stderr, a bar on terminals only."""

import io

import pytest
from rich.console import Console

from stylegan_cli.cli import console


@pytest.fixture
def screen(monkeypatch):
    """Stands in for stderr; `True` makes it a terminal."""

    def make(is_terminal):
        screen = Console(file=io.StringIO(), force_terminal=is_terminal, width=100, legacy_windows=False)
        monkeypatch.setattr(console, "prose", lambda: screen)
        return screen.file

    return make


def work(total):
    with console.progress("filming", total, "frames") as advance:
        for done in range(1, total + 1):
            advance(done)


def test_a_terminal_gets_a_bar_with_the_time_left(screen):
    file = screen(True)
    work(20)
    text = file.getvalue()
    assert "filming" in text
    assert "frames" in text
    assert "20/20" in text
    assert "0:00:00" in text


def test_one_thing_has_a_spinner(screen):
    file = screen(True)
    work(1)
    assert "filming" in file.getvalue()
    assert "frames" not in file.getvalue()


@pytest.mark.parametrize(("is_terminal", "total", "quiet"), [(False, 20, False), (True, 20, True), (True, 1, True)])
def test_pipes_and_quiet_get_none(screen, is_terminal, total, quiet):
    file = screen(is_terminal)
    with console.silenced(quiet):
        work(total)
    assert file.getvalue() == ""


def test_errors_cannot_be_silenced(screen):
    file = screen(False)
    with console.silenced(True):
        console.tell("jon was found.")
        console.insist("Error: there is no jon.")
        with console.silenced(False):
            console.tell("arya was found.")
        assert console.is_silent()
    console.tell("dany was found.")
    with console.silenced(False):
        console.silence()
        console.tell("bran was found.")
    assert not console.is_silent()
    assert file.getvalue().splitlines() == ["Error: there is no jon.", "arya was found.", "dany was found."]


def test_sentences_are_no_markup_and_stay_on_one_line(screen):
    file = screen(False)
    sentence = "[bold]jon[/bold] has shape [18, 512]; " + "very " * 50 + "long."
    console.tell(sentence)
    assert file.getvalue() == f"{sentence}\n"


def test_what_files_say_cannot_rewrite_the_terminal(screen):
    file = screen(False)
    console.tell("a.png was made by \x1b[2J\x9b1m\r\u202ejón\udc80\nLicence: MIT")
    assert file.getvalue() == "a.png was made by \\x1b[2J\\x9b1m\\r\\u202ejón\\udc80\\nLicence: MIT\n"


def test_data_goes_to_stdout(capsys):
    console.print_data("face.png")
    assert capsys.readouterr() == ("face.png\n", "")
