"""Writing files so that they are either complete or absent, and telling files apart."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from stylegan_cli.errors import StyleganError

NATIVE = ".safetensors"  # how the names of models and encoders end
# Lock files have this name or ending; the holder removes its own unless it is killed.
LOCK = ".lock"
# Seconds between attempts to rename what is in use: a file, or a folder with many new files.
PAUSES, LONG_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8), (0.1, 0.4, 1.6, 6.4, 12.8)
# Files that Finder and Explorer add to folders, which they show as empty all the same; "._" begins Finder's others.
UNSEEN = (".DS_Store", ".localized", "Thumbs.db", "desktop.ini")
# The names that this process has claimed, and what keeps others from them.
_claimed, _claims = set[Path](), ExitStack()
# With these errors only writing fails; what is read or sent meanwhile never does.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (*NO_SPACE, errno.EFBIG, errno.EROFS)
# How safetensors says so: in the numbers of the system, of which Windows has others.
FULL = {f"os error {number}" for number in ((39, 112) if sys.platform == "win32" else NO_SPACE)}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside `path`, with the same ending, and makes the folder if needed; the temporary file
    replaces `path` only if the block succeeds. Raises `StyleganError`, with the reason, if `path` cannot be written."""
    part = part_of(path)
    with telling_why(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.touch()
            mode = part.stat().st_mode
            yield part
            part.chmod(mode)  # safetensors makes files that only their owner may read
            rename(part, path)
        finally:
            part.unlink(missing_ok=True)


def rename(part: Path, path: Path) -> None:
    """Gives a file or a folder its name; a file of that name is replaced. Windows refuses that as long as a program has
    the old file open, or any in the folder, and virus scanners open every new file for a moment. Raises `StyleganError`
    if it stays open."""
    for pause in (*(LONG_PAUSES if part.is_dir() else PAUSES), None):
        try:
            part.replace(path)
            return
        except PermissionError:
            if sys.platform != "win32":
                raise
            if pause is None:
                raise StyleganError(
                    f"{path} cannot be replaced: it is read-only, or open in another program; close it there, or "
                    "choose another name"
                ) from None
            time.sleep(pause)


def part_of(path: Path) -> Path:
    """The temporary name beside `path` that this process writes to."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def copy(source: Path, path: Path) -> None:
    """Copies a file completely or not at all, as `replacing` does."""
    with replacing(path) as part:
        shutil.copyfile(source, part)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes a file completely or not at all, as `replacing` does."""
    with replacing(path) as part:
        part.write_bytes(content)


@contextmanager
def replacing_alone(path: Path) -> Iterator[Path]:
    """`replacing`, for files that take long to make: no other process writes `path` meanwhile, and what killed ones
    left of it is removed. Raises `StyleganError` if another process is writing it."""
    with _writing_alone(path), replacing(path) as part:
        yield part


def rename_alone(source: Path, path: Path) -> None:
    """Gives a complete file its name, in the same circumstances as `replacing_alone`; a killed process has either
    renamed it or not."""
    with _writing_alone(path), telling_why(path):
        rename(source, path)


@contextmanager
def _writing_alone(path: Path) -> Iterator[None]:
    with alone(path.with_name(f".{path.name}{LOCK}"), f"{path} is being written"):
        sweep(path)
        yield


@contextmanager
def telling_why(path: Path) -> Iterator[None]:
    """Raises `StyleganError`, with the reason, if `path` cannot be written. Errors about other files pass unchanged."""
    try:
        yield
    except (SafetensorError, OSError) as error:
        said, number = str(error), getattr(error, "errno", None)
        if number in NO_SPACE or any(told in said for told in FULL):
            raise StyleganError(f"there is no space left to write {path}; free some space") from None
        if isinstance(error, OSError) and number not in UNWRITABLE and not _concerns(error, path):
            raise
        why = getattr(error, "strerror", None) or said
        raise StyleganError(f"{path} could not be written ({why}); choose another name or place") from None


def _concerns(error: OSError, path: Path) -> bool:
    """Whether an error is about `path`, its temporary file, or a folder above them."""
    return isinstance(error.filename, str) and Path(error.filename) in (path, part_of(path), *path.parents)


@contextmanager
def alone(lock: Path, doing: str) -> Iterator[None]:
    """Until the block or this process ends, no other process may enter a block with this lock file. Raises
    `StyleganError` if one already has; the message begins with `doing`."""
    import filelock

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(lock, timeout=0)
    try:
        with warnings.catch_warnings(action="ignore"):
            held.acquire()
    except filelock.Timeout:
        raise StyleganError(f"{doing} by another process; wait until it ends, or stop it") from None
    except PermissionError:
        raise StyleganError(
            f"{lock} belongs to another user; remove it if their process has ended, or choose another place"
        ) from None
    except OSError:
        pass  # some network file systems have no locks: there no process is kept out
    try:
        yield
    finally:
        with suppress(PermissionError):  # on Windows the release removes it
            lock.unlink(missing_ok=True)
        held.release()


@contextmanager
def claims() -> Iterator[None]:
    """Releases, at the end of the block, the names that were claimed in it."""
    try:
        yield
    finally:
        _claims.close()
        _claimed.clear()


def claim(path: Path) -> bool:
    """Claims a name for a result until the end of `claims`; returns False if another process has claimed it. A file
    gets its name only when it is complete, so two processes choosing at the same time would choose the same name."""
    if path in _claimed:
        return True
    lock = path.with_name(f".{path.name}.claim{LOCK}")
    try:
        _claims.enter_context(alone(lock, "is claimed"))
    except StyleganError:
        return not lock.exists()  # without a lock file the folder is not writable, which is reported later
    _claimed.add(path)
    return True


def is_held(lock: Path) -> bool:
    """Whether a process is in a block with this lock file; a killed process leaves the file behind but no longer holds
    it."""
    if not lock.exists():
        return False
    try:
        with alone(lock, ""):
            return False
    except StyleganError:
        return True


def is_leftover(name: str) -> bool:
    """Whether this is the name of a temporary or lock file: a killed process leaves its own behind."""
    return re.fullmatch(rf"\..+\.\d+\.part(\..+)?|(\..+)?\{LOCK}", name) is not None


def is_nothing(name: str) -> bool:
    """Whether a file of this name does not count: a leftover, or one that Finder or Explorer adds."""
    return is_leftover(name) or name in UNSEEN or name.startswith("._")


def is_vacant(folder: Path) -> bool:
    """Whether a folder is empty, apart from what does not count."""
    return all(is_nothing(path.name) for path in folder.iterdir())


def sweep(path: Path) -> None:
    """Removes what was left by processes that were killed while they wrote `path`, a file or a folder."""
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.\d+\.part{re.escape(path.suffix)}")
    for beside in path.parent.iterdir():
        if not pattern.fullmatch(beside.name):
            continue
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink(missing_ok=True)


def names_in(folder: Path) -> list[str]:
    """The names in a folder; only names, because there may be millions."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists. Raises `StyleganError` if there is none: Windows has drives
    that come and go."""
    for path in (folder, *folder.parents):
        if path.exists():
            return path
    raise StyleganError(f"there is no {folder.anchor or 'current folder'}; choose another place")


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
