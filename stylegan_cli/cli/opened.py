"""The model that a command was given, on its device, and how it draws."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stylegan_cli import __version__, compilation, hardware, store
from stylegan_cli.cli import devices
from stylegan_cli.cli.console import fetching_model, progress, tell
from stylegan_cli.cli.options import PSI, Generation, ModelChoice, OfClass, check_word, command_line
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.files import file_digest
from stylegan_cli.generator import Generator
from stylegan_cli.latents import references
from stylegan_cli.operations.drift import Ruler, ruler_of

if TYPE_CHECKING:
    from stylegan_cli.encoders import Encoder


def open_generator(choice: ModelChoice) -> tuple[Generator, str]:
    """The chosen generator on its device, and the precision that it computes in."""
    device = devices.chosen(choice.device)
    precision = hardware.choose_precision(choice.precision, device)
    hardware.set_up(device, precision)
    with progress(f"loading {choice.model}", 1), fetching_model(choice.model) as on_bytes:
        generator = store.load(choice.model, on_bytes)
    return generator.prepare(device, hardware.PRECISIONS[precision]), precision


class OpenedModel:
    """A model, what comes with it (cast, directions, encoder), and how it draws (class, truncation, compiled code)."""

    def __init__(self, choice: OfClass) -> None:
        if isinstance(choice, Generation):
            check_word("--compile", choice.compile, compilation.CHOICES)
        self.generator, self.precision = open_generator(choice)
        devices.tell_if_emulated(self.precision, self.generator.device)
        self.model, self.class_index, self.psi = choice.model, choice.class_index, 1.0
        self.truncating: dict[str, float | str | None] = {}  # the options for that, as given
        self.compile, self.is_compiled = "off", False
        if choice.class_index is not None:
            self.generator.choose_class(choice.class_index)
        if isinstance(choice, Generation):
            self.psi = PSI if choice.psi is None else choice.psi
            self.truncating = {"--psi": choice.psi, "--cutoff": choice.cutoff, "--new-center": choice.new_center}
            self.compile = choice.compile
            if (choice.cutoff or 0) > (layers := self.generator.num_ws):
                raise UsageError(f"--cutoff {choice.cutoff}: {choice.model} has {layers} layers; leave it out")
            self.generator.cutoff = choice.cutoff
        chosen, origin = store.source(choice.model), self.generator.origin
        self.cast, self.directions = store.cast(chosen, origin), store.directions(chosen, origin)
        if isinstance(choice, Generation) and choice.new_center is not None:
            self.generator.new_centre = self._centre(choice.new_center)

    def _centre(self, text: str) -> Tensor:
        """The `w` of a person to truncate seeds towards: of a seed, the whole one, as in stylegan3-fun. One row if all
        layers share it."""
        if self.psi == 1:
            raise UsageError("--psi 1 truncates nobody; leave out --new-center, or use a smaller --psi")
        if len(references.split(text)) > 1:
            raise UsageError(f"--new-center is one person, but {text!r} names several; give one of them")
        if references.photo(text):
            raise UsageError(f"--new-center {text} is a photo; run stylegan project {text}, and give what it writes")
        ws = references.resolve(text, self.generator, 1.0, self.cast).ws.to(self.generator.device)
        return ws[:1] if bool((ws == ws[:1]).all()) else ws

    def check_noise(self, mode: str | None) -> None:
        """Checks that random noise would be visible."""
        if mode == "random" and not self.generator.has_noise:
            raise UsageError(f"{self.model} has no per-pixel noise (StyleGAN3 has none); leave out --noise random")

    @cached_property
    def ruler(self) -> Ruler:
        """How far people are from the average face."""
        return ruler_of(self.generator)

    @cached_property
    def encoder(self) -> Path | None:
        """The file of the encoder that guesses whom a photo shows, if there is one for this model."""
        return store.encoder(store.source(self.model), self.generator)

    @cached_property
    def encoder_digest(self) -> str | None:
        """The SHA-256 of that file, which can have a gigabyte."""
        return file_digest(self.encoder) if self.encoder else None

    @cached_property
    def _guesser(self) -> Encoder | None:
        """That encoder, ready to guess. If there is one for another version of the model only, the user is told."""
        from stylegan_cli import encoders

        if self.encoder:
            return encoders.load(self.encoder, self.generator).to(self.generator.device)
        if own := store.source(self.model).encoder:
            tell(f"{own} was trained for another version of this model; the search starts without it.")
        return None

    @torch.no_grad()
    def guess(self, picture: Tensor) -> Tensor | None:
        """Whom the encoder sees in a picture `[1, 3, h, w]` in [-1, 1], as `[1, w_dim]` or `[1, num_ws, w_dim]`; None
        if there is no encoder for this model."""
        return self._guesser.guess(picture, self.generator) if self._guesser else None

    def speed_up(self, faces: int) -> None:
        """Compiles the generator before it draws that many faces, if the user wants it or if it is faster; if it cannot
        be compiled, faces are drawn without."""
        if self.is_compiled or self.compile == "off" or (self.compile == "auto" and faces < compilation.FROM_FACES):
            return
        try:
            with progress("preparing compiled code for many faces", 1):
                if self.compile == "on":
                    compilation.compile_synthesis(self.generator)
                    self.is_compiled = True
                else:
                    self.is_compiled = compilation.compile_where_it_pays(self.generator, self.precision, faces)
        except StyleganError as error:
            if self.compile == "on":
                tell(f"Drawing without compiled code: {error}.")

    def circumstances(self) -> dict[str, Any]:
        """How results of this run are made, by names of fields in `Recipe`."""
        origin, device = self.generator.origin, self.generator.device.type
        made_by = {"model": origin.name, "sha256": origin.sha256, "fingerprint": origin.fingerprint.hex()}
        how = {"precision": self.precision, "device": device, "compiled": self.is_compiled}
        return {"command": command_line(), "version": __version__, **made_by, **how}
