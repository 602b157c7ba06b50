"""Draws pictures, which are values, as pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.ImageFont import FreeTypeFont
from torch import Tensor

from stylegan_cli import tuning
from stylegan_cli.generator import Generator
from stylegan_cli.media import captions
from stylegan_cli.pictures import WHOLE, Cell, Face, Heatmap, Picture, Sheet

GAP = 4
MAX_LINES = 16
LEGIBLE = 64  # pixels that hold most captions: columns of smaller faces may become that wide, and rows that high
Drawn = dict[int, tuple[Cell, Image.Image]]  # by ids, which are the cells' own as long as these are kept


def render(
    generator: Generator,
    picture: Picture,
    size: int | None = None,
    on_face: Callable[[], None] = lambda: None,
    drawn: Drawn | None = None,
) -> Image.Image:
    """Draws a picture, each face `size` pixels wide (None: as the model draws it). Calls `on_face` after each face.

    Sheets of the same size that follow each other can share what was `drawn`, an empty dict at first: the very cells
    that the one before had, too, are not drawn again."""
    with torch.inference_mode():
        if isinstance(picture, Sheet):
            return _sheet(generator, picture, face_shape(generator, size), on_face, drawn)
        return _cell(generator, picture, size, on_face)


def pixels(generator: Generator, picture: Picture, size: int | None = None, drawn: Drawn | None = None) -> np.ndarray:
    """What `render` draws, as `[h, w, 3]` uint8. A whole face takes no detour by Pillow: at 1024 pixels that is a
    thirtieth of the time."""
    if not isinstance(picture, Face) or picture.part != WHOLE or size not in (None, generator.size[1]):
        return np.asarray(render(generator, picture, size, drawn=drawn))
    with torch.inference_mode():
        return _used_up(_synthesise(generator, picture))[0]


def face_shape(generator: Generator, size: int | None) -> tuple[int, int]:
    """Width and height of a face that is `size` pixels wide; None is the model's own width."""
    height, width = generator.size
    return (size, max(round(size * height / width), 1)) if size else (width, height)


def to_pixels(images: Tensor) -> np.ndarray:
    """`[n, 3, h, w]` in [-1, 1] to `[n, h, w, 3]` uint8, rounded as in NVIDIA's tools (x * 127.5 + 128, truncated)."""
    return _used_up(images.clone())


def _used_up(images: Tensor) -> np.ndarray:
    """`to_pixels`, which overwrites `images`: faster, because it touches no other memory. They must not be a view in
    which elements share memory."""
    scaled = images.mul_(127.5).add_(128).clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def to_tensor(image: Image.Image) -> Tensor:
    """A picture to `[1, 3, h, w]` in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1


def _cell(generator: Generator, cell: Cell, size: int | None, on_face: Callable[[], None]) -> Image.Image:
    if isinstance(cell, Heatmap):
        image = _heatmap(generator, cell, on_face)
    else:
        image = _part(Image.fromarray(_used_up(_synthesise(generator, cell))[0]), cell.part)
        on_face()
    if size is None or size == image.width:
        return image
    return image.resize((size, max(round(size * image.height / image.width), 1)), Image.Resampling.LANCZOS)


def _part(image: Image.Image, part: tuple[float, float, float]) -> Image.Image:
    left, top, width = (round(edge * image.width) for edge in part)
    if width >= image.width:
        return image
    width = max(width, 1)
    height = max(round(width * image.height / image.width), 1)
    left, top = min(left, image.width - width), min(top, image.height - height)
    return image.crop((left, top, left + width, top + height))


def _synthesise(generator: Generator, face: Face) -> Tensor:
    with generator.moved(face.translate, face.rotate):
        return tuning.synthesize(generator, face.ws[None].to(generator.device), face.noise, face.tuned)


def _heatmap(generator: Generator, heatmap: Heatmap, on_face: Callable[[], None]) -> Image.Image:
    """Welford's running variance: one picture in memory, however many noises. The largest hundredth is white."""
    mean, squares = torch.zeros(()), torch.zeros(())
    for i in range(heatmap.count):
        noise = replace(heatmap.noise, seed=heatmap.noise.seed + i)
        image = _synthesise(generator, Face(heatmap.ws, noise, tuned=heatmap.tuned))[0].cpu()
        step = image - mean
        mean = mean + step / (i + 1)
        squares = squares + step * (image - mean)
        on_face()
    deviation = (squares / heatmap.count).sqrt().mean(dim=0)
    white = deviation.flatten().quantile(0.99).clamp(min=1e-8)
    scaled = ((deviation / white).clamp(max=1) * 255).to(torch.uint8)
    return ImageOps.colorize(Image.fromarray(scaled.numpy()), "#000008", "#fffbe0", mid="#d0403a")


def captioned(pictures: Mapping[str, Image.Image], size: int) -> Image.Image:
    """Finished pictures by their captions, as in a row of a sheet: each `size` pixels wide and high."""
    line, font = _line_height(size), captions.font_for(pictures, _font_size(size))
    page = Image.new("RGB", (_row_width(len(pictures), size), size + line), captions.PAPER)
    for place, (caption, picture) in enumerate(pictures.items()):
        left = place * (size + GAP)
        page.paste(picture.resize((size, size), Image.Resampling.LANCZOS), (left, 0))
        page.paste(captions.line(caption, font, size, line), (left, size))
    return page


def page_size(sheet: Sheet, shape: tuple[int, int]) -> tuple[int, int]:
    """Width and height, in pixels, of a sheet whose faces have this width and height."""
    column, band = _places(sheet, _font(sheet, shape[0]), shape)
    heights = [_row_height(row, shape[0], band) for row in sheet.rows]
    widest = _row_width(max(map(len, sheet.rows)), column)
    return _margin(sheet, shape[0]) + widest, sum(heights) + GAP * (len(heights) - 1)


def _sheet(
    generator: Generator, sheet: Sheet, shape: tuple[int, int], on_face: Callable[[], None], drawn: Drawn | None
) -> Image.Image:
    size, height = shape
    line, margin = _line_height(size), _margin(sheet, size)
    font = _font(sheet, size)
    column, band = _places(sheet, font, shape)
    page = Image.new("RGB", page_size(sheet, shape), captions.PAPER)
    if drawn is not None:
        for gone in drawn.keys() - set(map(id, sheet.cells())):
            del drawn[gone]
    top = 0
    for i, row in enumerate(sheet.rows):
        if margin:
            name = captions.line(sheet.names[i], font, band, line)
            page.paste(name.transpose(Image.Transpose.ROTATE_90), (0, top))
        left = margin + ((page.width - margin - _row_width(len(row), column)) // 2 if sheet.centred else 0)
        for cell in row:
            if cell is not None:
                face = _remembered(drawn, cell, partial(_cell, generator, cell, size, on_face))
                page.paste(face, (left + (column - size) // 2, top + (band - height) // 2))
                for number, text in enumerate(_lines(cell)):
                    page.paste(captions.line(text, font, column, line), (left, top + band + number * line))
            left += column + GAP
        top += _row_height(row, size, band) + GAP
    return page


def _remembered(drawn: Drawn | None, cell: Cell, draw: Callable[[], Image.Image]) -> Image.Image:
    if drawn is None:
        return draw()
    if id(cell) not in drawn:
        drawn[id(cell)] = cell, draw()
    return drawn[id(cell)][1]


def _font_size(size: int) -> int:
    return max(size // 14, 9)


def _line_height(size: int) -> int:
    return round(_font_size(size) * 1.6)


def _margin(sheet: Sheet, size: int) -> int:
    """The width of the rows' names."""
    return _line_height(size) if any(sheet.names) else 0


def _places(sheet: Sheet, font: FreeTypeFont, shape: tuple[int, int]) -> tuple[int, int]:
    """The width and height of the faces' places: those of the faces, or more if they are so small that captions, or
    names of rows, would be cut."""
    width, height = shape
    texts = (text for cell in sheet.cells() for text in _lines(cell))
    return _holding(texts, font, width), _holding(sheet.names, font, height)


def _holding(texts: Iterable[str], font: FreeTypeFont, size: int) -> int:
    """The size of a place for faces of `size` pixels, along which each of these texts is written."""
    return size if size >= LEGIBLE else max([size, *(captions.width_of(text, font, LEGIBLE) for text in texts)])


def _row_width(faces: int, column: int) -> int:
    return faces * (column + GAP) - GAP


def _row_height(row: Sequence[Cell | None], size: int, band: int) -> int:
    return band + _line_height(size) * max((len(_lines(cell)) for cell in row if cell), default=0)


def _font(sheet: Sheet, size: int) -> FreeTypeFont:
    return captions.font_for([*sheet.names, *(cell.caption for cell in sheet.cells())], _font_size(size))


def _lines(cell: Cell) -> list[str]:
    """The caption's lines, limited in number, because it may come from another person's recipe."""
    return cell.caption.split("\n", MAX_LINES - 1) if cell.caption else []
