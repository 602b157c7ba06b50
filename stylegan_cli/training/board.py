"""Curves for TensorBoard, if it is installed and works."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegan_cli.errors import MALFORMED

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Board:
    """Writes numbers by pictures seen into TensorBoard's event files; does nothing if it cannot be imported.

    For a run that continues at `nimg` pictures, earlier events from beyond that point are hidden.
    """

    def __init__(self, folder: Path, nimg: int) -> None:
        self._writer: SummaryWriter | None = None
        with suppress(ImportError, *MALFORMED):  # an old one fails in other ways with a new numpy or protobuf
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=nimg + 1)

    def add(self, group: str, values: Mapping[str, Any], nimg: int) -> None:
        if self._writer:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._writer.add_scalar(f"{group}/{name}", value, nimg)
            self._writer.flush()

    def close(self) -> None:
        if self._writer:
            self._writer.close()
