"""Every failure ends as one sentence and an exit code, whoever it comes from."""

import errno
import io
import sys
import traceback

import pytest
import typer

from stylegan_cli.cli import console, main
from stylegan_cli.cli.boundary import boundary, each
from stylegan_cli.cli.console import print_data
from stylegan_cli.errors import StyleganError, UsageError

NO_MEMORY = "there is not enough memory for this; try smaller or fewer pictures, smaller networks, or --device cpu"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (StyleganError("this is broken"), 1, "this is broken"),
        (UsageError("there is no such thing"), 2, "there is no such thing"),
        (MemoryError(), 1, NO_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), 1, NO_MEMORY),
        (RuntimeError("could not create a primitive"), 1, NO_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), 1, NO_MEMORY),
        (
            RuntimeError("could not create a primitive descriptor for that"),
            1,
            "an unexpected error occurred (Runti",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, NO_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), 1, "No space left on device: a.png"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "aa"), 1, "File name too long: aa; choose a shorter name"),
        (OSError(errno.EROFS, "Read-only file system", "a"), 1, "Read-only file system: a; choose another place"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 1, "Permission denied: a; choose another place, or "),
        (
            ZeroDivisionError("by nought"),
            1,
            "an unexpected error occurred (ZeroDivisionError: by nought); STYLEGAN_",
        ),
        (
            RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be late.\n"),
            1,
            "an unexpected error occurred (RuntimeError: CUDA error: an illegal memory access was encountered); ST",
        ),
    ],
)
def test_sentences(capsys, error, code, sentence):
    with pytest.raises(typer.Exit) as ended, boundary():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err.startswith(f"Error: {sentence}")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Stopped. Finished results are kept; nothing is half-written.\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
    ],
)
def test_ends_that_are_no_errors(capsys, error, code, said):
    with pytest.raises(typer.Exit) as ended, boundary():
        raise error
    assert (ended.value.exit_code, capsys.readouterr().err) == (code, said)


def test_endless_sentences_are_cut(capsys):
    """Damaged files have names of any length; what to do is at the end."""
    with pytest.raises(typer.Exit), boundary():
        raise StyleganError(f"a.npz is damaged ({'x' * 60_000}); save it again")
    said = capsys.readouterr().err
    assert said.startswith("Error: a.npz is damaged (xxx") and said.endswith("xxx); save it again.\n")
    assert len(said) < 1300


def test_debugging_shows_where(monkeypatch):
    monkeypatch.setenv("STYLEGAN_DEBUG", "1")
    with pytest.raises(StyleganError, match="this is broken"), boundary():
        raise StyleganError("this is broken")


def test_debugging_shows_what_an_error_came_from(monkeypatch):
    """A mistake of ours inside a reader of files is told as a damaged file."""

    def read():
        try:
            len(None)
        except TypeError:
            raise StyleganError("a.npz is damaged") from None

    monkeypatch.setenv("STYLEGAN_DEBUG", "1")
    with pytest.raises(StyleganError) as raised, boundary():
        read()
    assert "TypeError: object of type 'NoneType' has no len()" in "".join(traceback.format_exception(raised.value))


def test_a_closed_stdout_is_no_failure(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    console.print_data("a.png")


def test_ctrl_c_before_a_command_has_begun(monkeypatch):
    def stop(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("stylegan_cli.cli.app.app", stop)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", b"\xff\xe7\x8e\x8b\n"), ("latin-1", b"\\udcff\\u738b\n")])
def test_any_path_can_be_printed(monkeypatch, encoding, shown):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding, write_through=True))
    monkeypatch.setattr("stylegan_cli.cli.app.app", lambda **_: print_data("\udcff王"))
    main()
    assert printed.getvalue() == shown


def test_one_that_fails_does_not_stop_the_others(capsys):
    def do(number: int) -> int:
        if number == 2:
            raise StyleganError("two is odd here")
        return number * number

    assert each([1, 2, 3], do) == {0: 1, 2: 9}
    assert capsys.readouterr().err == "Error: two is odd here.\n"


def test_nobody_who_reads_is_no_failure_of_one(capsys):
    def do(number: int) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        each([1, 2, 3], do)
    assert not capsys.readouterr().err
