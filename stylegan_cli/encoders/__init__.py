"""Encoders: from a picture of an aligned face to the latents that make it, without a search. Projection starts there.

Each kind has a file, with a `Config` of its sizes and an `Encoder` that guesses; `files` reads and writes them.
"""

from stylegan_cli.encoders.files import Encoder, foreign, guesses_rows, load, model_of, save

__all__ = ["Encoder", "foreign", "guesses_rows", "load", "model_of", "save"]
