"""What lies in a folder."""

from pathlib import Path

from stylegan_cli import files


def files_in(folder):
    """The files in it and below, by their paths from there: their bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuse_names_once(monkeypatch):
    """Every name is refused at first, as by Windows while a virus scanner looks at the file, or into the folder."""
    refused = set()

    def soon(call):
        def give(path, name):
            if name not in refused:
                refused.add(name)
                raise PermissionError("Access is denied")
            return call(path, name)

        return give

    for way in ("rename", "replace"):
        monkeypatch.setattr(Path, way, soon(getattr(Path, way)))
    monkeypatch.setattr(files.sys, "platform", "win32")
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
