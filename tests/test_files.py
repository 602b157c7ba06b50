"""Locks, where there are none and where they are somebody else's."""

import errno

import filelock
import pytest

from stylegan_cli.errors import StyleganError
from stylegan_cli.files import alone


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
        pytest.raises(StyleganError, match=r"\.lock is somebody else's; remove it if they are done, or choose"),
        alone(tmp_path / ".lock", "this is being made"),
    ):
        pass
