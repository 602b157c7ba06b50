"""A run as one self-contained HTML page: curves as inline SVG, and embedded sheets of fakes."""

from __future__ import annotations

import base64
import html as markup
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from stylegan_cli.plain import is_number
from stylegan_cli.training.film import spread
from stylegan_cli.training.options import Options

WIDTH, HEIGHT, MARGIN = 560, 200, 44
SHEETS = 12
POINTS = 1000  # of a line, at most
DOTS = 50  # dots are drawn if a line has no more points than this
SHEET_PIXELS = 512
# For each chart, its title, and the log's keys with the names of their lines.
CHARTS = (
    ("Losses", {"loss_g": "generator", "loss_d": "discriminator"}),
    ("Scores", {"score_real": "real", "score_fake": "generated"}),
    ("Overfitting", {"r_t": "r_t", "p": "augmentation p"}),
    ("Gradient penalty (R1)", {"r1": "R1"}),
    ("Path length", {"path_length": "path length", "path_mean": "running mean"}),
    ("Resolution still missing (lod)", {"lod": "lod"}),
    ("Pictures a second", {"images_per_second": "pictures a second"}),
)
COLOURS = ("#1f6f8b", "#d1603d")
Points = list[tuple[float, float]]
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem; color: #222 }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: #666 }
.charts, .sheets { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 1.5rem }
img { width: 100%; image-rendering: auto } figure { margin: 0 } figcaption, h3 { font-size: 1rem; margin: 0 }
pre { background: #f4f4f2; padding: 1rem; overflow: auto }
"""


def html(
    options: Options,
    lines: Sequence[dict[str, Any]],
    measured: Sequence[dict[str, Any]],
    sheets: Sequence[tuple[float, Path]],
) -> str:
    """The page for a run with these log `lines`, `measured` metrics and `sheets` of fakes (kimg and file), which are
    shown newest first."""
    last = lines[-1] if lines else {}
    hours = sum(line.get("seconds", 0) for line in lines) / 3600
    told = f"{last.get('kimg', 0):,.1f} thousand pictures seen in {hours:.2f} hours of training"
    levels = {"Overfitting": {"target": options.target}} if options.aug == "ada" else {}
    charts = _metrics(measured) + "".join(_chart(title, keys, lines, levels.get(title, {})) for title, keys in CHARTS)
    figures = "".join(
        f'<figure><img src="{_data_uri(path)}" alt="Generated pictures">'
        f"<figcaption>{kimg:,.10g} kimg</figcaption></figure>"
        for kimg, path in reversed(spread(sheets, SHEETS))
    )
    title = f"Training of a {options.cfg} at {options.resolution} pixels"
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f'<h1>{title}</h1><p>{told}.</p><div class="charts">{charts}</div><h2>Generated pictures</h2>'
        f'<div class="sheets">{figures}</div><h2>Options</h2>'
        f"<pre>{markup.escape(json.dumps(asdict(options), indent=2))}</pre></html>\n"
    )


def _metrics(measured: Sequence[dict[str, Any]]) -> str:
    """A chart for each metric, with its 95 % interval, and the distance between halves of the real pictures as the line
    to approach."""
    charts = ""
    for title, num in dict.fromkeys((line["title"], line["num"]) for line in measured):
        lines = [line for line in measured if (line["title"], line["num"]) == (title, num)]
        floor = {"kimg": 0, "floor": lines[0].get("floor")}
        of_data = lines[-1].get("reference_num")
        against = f"against {of_data:,}" if is_number(of_data) and of_data != num else "a side"
        about = f"{title}, {num:,} pictures {against}"
        charts += _chart(
            about, {"value": "generated", "floor": "real against real"}, [floor, *lines], band=("low", "high")
        )
    return charts


def _chart(
    title: str,
    keys: dict[str, str],
    lines: Sequence[dict[str, Any]],
    levels: dict[str, float] | None = None,
    band: tuple[str, ...] = (),
) -> str:
    """One chart over kimg; empty if the log has no such values. `title` is plain text. `levels` are values to compare
    with, by their names, and `band` the keys of an interval around the first line."""
    title = markup.escape(title)
    series = {name: _points(lines, key) for key, name in keys.items()}
    series = {name: points for name, points in series.items() if points}
    if not series or (keys.keys() == {"lod"} and not any(y for _, y in series["lod"])):
        return ""
    edges, levels = [_points(lines, key) for key in band], levels or {}
    every = [point for points in (*series.values(), *edges) for point in points]
    heights = [y for _, y in every] + [*levels.values(), 0.0]
    low, high = min(heights), max(heights)
    axes = Axes(max(x for x, _ in every) or 1, low, high if high > low else low + 1)
    drawn = _band(axes, edges) + _levels(axes, ({"0": 0.0} if low < 0 else {}) | levels) + _curves(axes, series)
    bottom = HEIGHT - MARGIN / 2
    frame = f'<path d="M{MARGIN},{MARGIN / 2} V{bottom} H{WIDTH - MARGIN}" fill="none" stroke="#bbb"/>'
    labels = (
        f'<text x="{MARGIN - 4}" y="{bottom}" text-anchor="end">{axes.low:.3g}</text>'
        f'<text x="{MARGIN - 4}" y="{MARGIN / 2 + 8}" text-anchor="end">{axes.high:.3g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 6}" text-anchor="end">{axes.right:,.10g} kimg</text>'
    )
    return (
        f'<section><h3>{title}</h3><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"{frame}{drawn}{labels}</svg></section>"
    )


@dataclass(frozen=True)
class Axes:
    """What a chart shows: from 0 to `right` kimg, and values from `low` to `high`."""

    right: float
    low: float
    high: float

    def place(self, x: float, y: float) -> str:
        across = MARGIN + x / self.right * (WIDTH - 2 * MARGIN)
        down = HEIGHT - MARGIN / 2 - (y - self.low) / (self.high - self.low) * (HEIGHT - MARGIN)
        return f"{across:.1f},{down:.1f}"


def _curves(axes: Axes, series: Mapping[str, Points]) -> str:
    """The lines, with their names above them."""
    drawn = ""
    for number, (name, points) in enumerate(series.items()):
        path = " ".join(axes.place(x, y) for x, y in points)
        colour = COLOURS[number % len(COLOURS)]
        drawn += f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>'
        if len(points) <= DOTS:
            at = (axes.place(x, y).split(",") for x, y in points)
            drawn += "".join(f'<circle cx="{across}" cy="{down}" r="2" fill="{colour}"/>' for across, down in at)
        drawn += f'<text x="{MARGIN + 8 + 120 * number}" y="12" style="fill:{colour}">{name}</text>'
    return drawn


def _levels(axes: Axes, levels: Mapping[str, float]) -> str:
    """Thin lines across, with their names at the right."""
    drawn = ""
    for name, y in levels.items():
        across, down = axes.place(axes.right, y).split(",")
        drawn += f'<path d="M{MARGIN},{down} H{across}" stroke="#bbb" stroke-dasharray="4 3"/>'
        drawn += f'<text x="{WIDTH - MARGIN + 4}" y="{down}" dy="4">{name}</text>'
    return drawn


def _band(axes: Axes, edges: Sequence[Points]) -> str:
    """The area between two lines, if they have points."""
    if not any(edges):
        return ""
    outline = " ".join(axes.place(x, y) for x, y in (*edges[0], *reversed(edges[1])))
    return f'<polygon fill="{COLOURS[0]}" fill-opacity="0.15" points="{outline}"/>'


def _points(lines: Sequence[dict[str, Any]], key: str) -> Points:
    points = [(line["kimg"], line[key]) for line in lines if is_number(line.get(key))]
    return points[:: len(points) // POINTS + 1]


def _data_uri(path: Path) -> str:
    image = Image.open(path)
    image.thumbnail((SHEET_PIXELS, SHEET_PIXELS))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
