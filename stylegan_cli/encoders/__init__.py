"""Encoders: from a picture of an aligned face to the latents that make it, without a search. Projection starts there.

Each kind has a file, with a `Config` of its sizes and an `Encoder` that guesses; `files` reads and writes them.
"""

from stylegan_cli.encoders.files import Encoder, about, from_checkpoint, load, save

__all__ = ["Encoder", "about", "from_checkpoint", "load", "save"]
