"""Models: their names, what a value of `--model` means, and the user's own collection."""

from stylegan_cli.store.adding import add, put_aside, remove
from stylegan_cli.store.named import DEFAULT, NATIVE, Model, bundled_folder, models, pull
from stylegan_cli.store.sources import (
    ENCODER,
    SNAPSHOT,
    UNKNOWN_LICENCE,
    URL,
    Source,
    cast,
    directions,
    directions_folder,
    encoder,
    find,
    is_file,
    load,
    source,
)

__all__ = [
    "DEFAULT",
    "ENCODER",
    "NATIVE",
    "SNAPSHOT",
    "UNKNOWN_LICENCE",
    "URL",
    "Model",
    "Source",
    "add",
    "bundled_folder",
    "cast",
    "directions",
    "directions_folder",
    "encoder",
    "find",
    "is_file",
    "load",
    "models",
    "pull",
    "put_aside",
    "remove",
    "source",
]
