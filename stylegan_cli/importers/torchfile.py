"""PyTorch's file formats, read by the pickle reader that runs nothing: the old flat one and today's zip."""

from __future__ import annotations

STORAGE_TYPES = {
    "torch.FloatStorage": torch.float32, "torch.DoubleStorage": torch.float64, "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16, "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16, "torch.CharStorage": torch.int8, "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}  # fmt: skip




def storage_from_id(identity: Any) -> tuple[str, Storage]:
    """Key and storage of PyTorch's persistent id `('storage', type, key, device, count, ...)`."""
    kind, storage_type, key, _, count, *rest = identity
    if kind != "storage" or any(item is not None for item in rest) or type(count) is not int or count < 0:
        raise RefusedError("it has a tensor storage of an unknown kind")
    return str(key), Storage(STORAGE_TYPES[storage_type.name], count)


def load_legacy_torch(data: memoryview, budget: Budget, is_inner: bool = False) -> Any:
    """PyTorch's first file format: magic number, version and system as a pickle each, the value, storage keys, storages."""
    storages: dict[str, Storage] = {}

    def persistent(identity: Any) -> Storage:
        key, storage = storage_from_id(identity)
        return storages.setdefault(key, storage)

    position = 0
    pickles = []
    for _ in ("magic number", "version", "system", "value", "storage keys"):
        machine = Machine(data, position, persistent, budget, is_inner)
        pickles.append(machine.run())
        position = machine.position
    magic, _, _, value, keys = pickles
    if magic != LEGACY_TORCH_MAGIC or set(keys) != set(storages):
        raise RefusedError("it is no PyTorch file, though it begins like one")
    for key in keys:
        position = _fill(storages[key], data, position)
    return value


def _fill(storage: Storage, data: memoryview, position: int) -> int:
    (count,) = struct.unpack_from("<q", data, position)
    end = position + 8 + storage.count * storage.dtype.itemsize
    if count != storage.count or end > len(data):
        raise RefusedError("it is cut short: a tensor storage's numbers are missing")
    storage.fill(data[position + 8 : end])
    return end




    def inner_storage(self, data: memoryview) -> Storage:
        """A storage that NVIDIA's PyTorch pickles hold as the bytes of a whole legacy PyTorch file."""
        storage = load_legacy_torch(data, self.budget, is_inner=True)
        if not isinstance(storage, Storage):
            raise TypeError
        return storage

