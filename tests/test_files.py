"""Files in one piece, and locks: where there are none, and where they are somebody else's."""

import errno
import hashlib
import tracemalloc
from pathlib import Path, PureWindowsPath

import filelock
import pytest
from safetensors import SafetensorError

from stylegan_cli import files
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import alone, claim, claims, file_digest, nearest_existing, replacing, write_bytes


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL])
def test_file_systems_without_locks_keep_nobody_out(tmp_path, monkeypatch, code):
    def refuse(self):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    done = []
    with alone(tmp_path / ".lock", "this is being made"):
        done.append(1)
    assert (done, list(tmp_path.iterdir())) == ([1], [])


def test_somebody_elses_lock_is_named(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with (
        pytest.raises(StyleganError, match=r"\.lock belongs to another user; remove it if their process has ended, or"),
        alone(tmp_path / ".lock", "this is being made"),
    ):
        pass


def test_a_file_is_written_whole_into_a_new_folder(tmp_path):
    path = tmp_path / "new/folder/file.bin"
    for content in (b"one", b"two"):
        write_bytes(path, content)
        assert ([*path.parent.iterdir()], path.read_bytes()) == ([path], content)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_there_is_no_space(tmp_path, error):
    with (
        pytest.raises(StyleganError, match=r"^there is no space left to write .*/a\.bin; free some space$"),
        replacing(tmp_path / "a.bin") as part,
    ):
        part.write_bytes(b"half")
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("a" * 250, "File name too long"), ("file/new/a.bin", "Not a directory")])
def test_files_that_cannot_be_written(tmp_path, name, why):
    (tmp_path / "file").touch()
    with pytest.raises(StyleganError, match=rf"{name} could not be written \({why}\); choose another name or place$"):
        write_bytes(tmp_path / name, b"")


def test_permissions_are_those_of_the_file_and_not_of_its_temporary_one(tmp_path):
    with (
        pytest.raises(StyleganError, match=r"/a\.bin could not be written \(Permission denied\); choose another"),
        replacing(tmp_path / "a.bin") as part,
    ):
        raise PermissionError(errno.EACCES, "Permission denied", str(part))


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "photo.jpg"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        TimeoutError("timed out"),
    ],
)
def test_what_fails_beside_the_writing_is_told_as_it_is(tmp_path, error):
    with pytest.raises(type(error)) as caught, replacing(tmp_path / "a.bin"):
        raise error
    assert caught.value is error


def test_a_digest_takes_little_memory(tmp_path):
    path, content = tmp_path / "large", bytes(8 << 20)
    path.write_bytes(content)
    tracemalloc.start()
    found = file_digest(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == hashlib.sha256(content).hexdigest()
    assert peak < 2 << 20


def test_files_may_be_read_by_whom_all_new_files_may(tmp_path):
    """Though some writers, like safetensors', let only their owner."""
    with replacing(tmp_path / "model") as part:
        part.write_bytes(b"weights")
        part.chmod(0o600)
    (tmp_path / "other").touch()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_name_may_be_claimed_again_by_whom_it_belongs_to(tmp_path):
    with claims():
        assert claim(tmp_path / "a.png") and claim(tmp_path / "a.png")
        with alone(tmp_path / ".b.png.claim.lock", "is claimed"):
            assert not claim(tmp_path / "b.png")
    assert list(tmp_path.iterdir()) == []


def test_names_in_folders_that_cannot_be_written_to_are_nobodys(tmp_path, monkeypatch):
    """Else one name after the other would be tried, for ever."""

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with claims():
        assert claim(tmp_path / "a.png")


def test_the_nearest_folder_that_exists(tmp_path):
    assert nearest_existing(tmp_path / "a/b") == nearest_existing(tmp_path) == tmp_path


def test_a_drive_that_is_gone_is_named():
    class Unplugged(PureWindowsPath):
        def exists(self):
            return False

    with pytest.raises(StyleganError, match=r"there is no E:\\; choose another place"):
        nearest_existing(Unplugged("E:/faces/new"))


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_a_file_that_is_open_on_windows_for_a_moment_is_replaced(tmp_path, monkeypatch, attempts):
    refusals = in_use(monkeypatch, "win32", attempts)
    write_bytes(tmp_path / "a.png", b"new")
    assert (refusals, (tmp_path / "a.png").read_bytes()) == ([], b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_file_that_stays_open_on_windows_is_named_and_kept(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")
    in_use(monkeypatch, "win32", 99)
    with pytest.raises(StyleganError, match=r"a\.png cannot be replaced: it is read-only, or open in another program;"):
        write_bytes(tmp_path / "a.png", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"old")]


def test_a_folder_with_files_that_are_open_on_windows_gets_its_name(tmp_path, monkeypatch):
    (tmp_path / ".part").mkdir()
    (tmp_path / ".part" / "a.png").touch()
    refusals = in_use(monkeypatch, "win32", 5)
    files.rename(tmp_path / ".part", tmp_path / "faces")
    assert refusals == [] and (tmp_path / "faces" / "a.png").is_file()


@pytest.mark.parametrize(
    ("name", "is_there"),
    [(".DS_Store", False), ("._a.png", False), ("Thumbs.db", False), (".a.12.part.png", False), (".a.png", True)],
)
def test_folders_that_look_empty_are(tmp_path, name, is_there):
    (tmp_path / name).touch()
    assert files.is_vacant(tmp_path) != is_there


def test_elsewhere_nobody_waits_for_permission(tmp_path, monkeypatch):
    refusals = in_use(monkeypatch, "linux", 2)
    with pytest.raises(PermissionError):
        write_bytes(tmp_path / "a.png", b"new")
    assert len(refusals) == 1


def in_use(monkeypatch, system, attempts):
    """Files are replaced only after so many attempts; returns what is left of the refusals."""
    refusals, replace = [PermissionError(errno.EACCES, "Access is denied")] * attempts, Path.replace

    def refuse(path, other):
        if refusals:
            raise refusals.pop()
        return replace(path, other)

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(files.sys, "platform", system)
    monkeypatch.setattr(files, "PAUSES", (0.0,) * 3)
    monkeypatch.setattr(files, "LONG_PAUSES", (0.0,) * 5)
    return refusals
