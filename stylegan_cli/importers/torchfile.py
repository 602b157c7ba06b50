"""PyTorch's file formats, the old flat one and today's zip, read by the pickle reader that runs nothing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from stylegan_cli.importers.stored import RefusedError, Storage, is_name
from stylegan_cli.importers.unpickle import CALLS, STORAGE_TYPES, Budget, Machine

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little") + b"."  # after the two bytes of the protocol
MAX_DIRECTORY = 16 << 20
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: lengths of the name and of the extra field


def read_pickle(data: memoryview) -> Any:
    """A plain pickle, or PyTorch's old format, which begins with the pickle of a magic number."""
    budget = Budget()
    if data[2 : 2 + len(LEGACY_START)] == LEGACY_START:
        return _read_legacy(data, budget)

    def inner_storage(blob: memoryview) -> Storage:
        """NVIDIA's pickles contain each storage as the bytes of a whole file in the old format."""
        storage = _read_legacy(blob, budget)
        if not isinstance(storage, Storage):
            raise TypeError("a tensor has no storage")
        return storage

    return Machine(data, budget=budget, calls=CALLS | {"torch.storage._load_from_bytes": inner_storage}).run()


def _read_legacy(data: memoryview, budget: Budget) -> Any:
    """Five pickles (magic number, version, system, value, storage keys), then each storage's count and numbers."""
    storages: dict[str, Storage] = {}

    def declare(identity: Any) -> Storage:
        key, storage = _storage(identity)
        return storages.setdefault(key, storage)

    position, pickles = 0, []
    for _ in range(5):
        machine = Machine(data, position, budget, persistent=declare)
        pickles.append(machine.run())
        position = machine.position
    magic, _, _, value, keys = pickles
    # Only strings are hashed: hashing nested tuples can take forever.
    are_texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if magic != LEGACY_MAGIC or not are_texts or set(keys) != set(storages):
        raise RefusedError("it begins like a PyTorch file, but its contents do not match")
    for key in keys:
        (count,) = struct.unpack_from("<q", data, position)
        if count != storages[key].count:
            raise RefusedError(f"a tensor storage in it has two sizes, {storages[key].count} and {count}")
        end = position + 8 + count * storages[key].dtype.itemsize
        storages[key].fill(data[position + 8 : end])
        position = end
    return value


def read_zip(path: Path, data: memoryview) -> Any:
    """Today's format: `NAME/data.pkl` beside one uncompressed member `NAME/data/KEY` for each storage."""
    members = _members(path)
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1 or any(name.endswith("/constants.pkl") for name in members):
        raise RefusedError("it is a zip archive, but was not written by torch.save for a state dict")
    folder = pickles[0].removesuffix("data.pkl")
    storages: dict[str, Storage] = {}
    left = len(data)

    def contents(name: str) -> memoryview:
        """A member's bytes. Limited in total: members that share bytes would be checked again and again."""
        nonlocal left
        view = _contents(data, members[name])
        left -= len(view)
        if left < 0:
            raise RefusedError("its parts together are larger than the file itself")
        return view

    def load(identity: Any) -> Storage:
        key, storage = _storage(identity)
        if key not in storages:
            storage.fill(contents(f"{folder}data/{key}"))
            storages[key] = storage
        return storages[key]

    return Machine(contents(pickles[0]), persistent=load).run()


def _storage(identity: Any) -> tuple[str, Storage]:
    """Key and storage of the persistent id `('storage', type, key, device, count)`, perhaps followed by None."""
    match identity:
        case ("storage", storage_type, key, _, count) | ("storage", storage_type, key, _, count, None):
            if is_name(key) and type(count) is int and count >= 0:
                return key, Storage(STORAGE_TYPES[storage_type.name], count)
    raise RefusedError("it has a tensor storage of an unknown kind")


class _Directory(io.FileIO):
    """The file as `zipfile` sees it, with reads limited to what a list of members needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(MAX_DIRECTORY + 1 if size is None or size < 0 else min(size, MAX_DIRECTORY + 1))
        if len(content) > MAX_DIRECTORY:
            raise BadZipFile("its list of members is far too long")
        return content


def _members(path: Path) -> dict[str, ZipInfo]:
    try:
        with _Directory(path) as file, ZipFile(file) as archive:
            return {member.filename: member for member in archive.infolist()}
    except (BadZipFile, NotImplementedError, OSError) as error:
        raise RefusedError(f"its zip directory is damaged or truncated ({error})") from error


def _contents(data: memoryview, member: ZipInfo) -> memoryview:
    """A member's bytes as a view of the file. torch.save never compresses, so nothing needs to be unpacked."""
    if member.compress_type != ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & 1:
        raise RefusedError("it is a compressed zip archive, which torch.save never writes")
    name, extra = LOCAL_HEADER.unpack_from(data, member.header_offset)
    start = member.header_offset + LOCAL_HEADER.size + name + extra
    view = data[start : start + member.file_size]
    if len(view) != member.file_size or zlib.crc32(view) != member.CRC:
        raise RefusedError("a part of it does not match its checksum: it is damaged or truncated")
    return view
