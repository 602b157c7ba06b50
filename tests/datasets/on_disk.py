"""What lies in a folder."""


def files_in(folder):
    """The files in it and below, by their paths from there: their bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
