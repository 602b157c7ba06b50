"""`stylegan metrics`: how alike are the pictures of two sets, as a whole? How smoothly does a model change and move its
pictures?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylegan_cli.cli.boundary import each
from stylegan_cli.cli.console import print_data
from stylegan_cli.cli.options import Device, Filter, Seed, check_unused, command, optional
from stylegan_cli.errors import StyleganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stylegan_cli.metrics.evaluation import Report

FID_PICTURES = 50_000  # that FID is computed from, by custom


@command
def metrics(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="The models to measure, or data sets.", show_default=False),
    ] = None,
    last: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="The last of several: what to compare with, a data set or a model; ppl and equivariance need none.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str | None, optional("A MODEL, given as an option.", "--model", "--network")] = None,
    data_set: Annotated[str | None, optional("DATA, given as an option.", "--data")] = None,
    names: Annotated[
        str,
        typer.Option(
            "--metrics",
            help="fd and kd (distances), pr (precision, recall), ppl (path length); equivariance of StyleGAN3: eqt_int "
            "(moved by whole pixels), eqt_frac (by parts of them), eqr (turned).",
        ),
    ] = "fd,kd,pr",
    num: Annotated[
        int,
        typer.Option(
            min=1,
            help="Pictures per side (50 or more; without DATA, 10 or more), or all if there are fewer. "
            "Inception uses all of DATA.",
        ),
    ] = 2000,
    seed: Seed = 0,
    size: Annotated[
        int | None,
        optional("Compare at this many pixels instead of the smaller side's.", min=4, max=1024),
    ] = None,
    filter: Filter = "lanczos",
    features: Annotated[
        str, typer.Option(help="efficientnet (fast), or inception: then fd is FID, and kd is KID.")
    ] = "efficientnet",
    psi: Annotated[
        float | None,
        optional("Truncation (default 1: none, as ppl and equivariance require).", "--psi", "--trunc", min=-2, max=2),
    ] = None,
    class_index: Annotated[int | None, optional("For models with classes: only this class.", "--class", min=0)] = None,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (fp32 for ppl and equivariance), fp32, bf16 or fp16; ppl needs fp32.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: a list if there are several models.")] = False,
) -> None:
    """Compare a model's pictures with a data set (Frechet and kernel distance, precision, recall), or measure a model
    alone (path length, equivariance).

    DATA is a folder or .zip of square pictures of the same size (made by stylegan dataset), or a model. If you give the
    same data set twice, its halves are compared: this is the lowest distance to expect. Distances with
    EfficientNet-Lite0 are not FID. Only compare numbers from the same size and number of pictures, features and filter.

    Equivariance is in dB: how close pictures that a StyleGAN3 moves or turns come to its own, moved or turned later.

    The features of DATA are computed once for several models. If a model cannot be measured, the others still are.

    Examples: stylegan metrics ffhq faces.zip; stylegan metrics faces.zip faces.zip --num 5000; stylegan metrics
    a.safetensors b.safetensors faces.zip; stylegan metrics ffhq --metrics ppl --num 500; stylegan metrics
    stylegan3-r.pkl --metrics eqt_int,eqr
    """
    from stylegan_cli.cli.measuring import Comparison, Drawing, is_data
    from stylegan_cli.metrics.evaluation import Settings, listed
    from stylegan_cli.metrics.features import named

    settings = Settings(listed(names), num, seed, size, filter)
    named(features)  # fails at once if there are none of that name
    placed = [name for name in (model, *(models or []), last) if name is not None]
    subjects, reference = _sides(placed, data_set, settings.compares)
    if not settings.compares:
        has_filter, has_features = filter != "lanczos", features != "efficientnet"
        unused = {"--size": size, "--filter": has_filter, "--features": has_features}
        check_unused("path length and equivariance compare no pictures", unused)
    if settings.alone:
        why = "path length and equivariance are measured without truncation"
        check_unused(why, {"--psi": None if psi == 1 else psi})
    if "ppl" in settings.metrics:
        check_unused("path length needs fp32", {"--precision": precision not in ("auto", "fp32")})
    if reference is not None:
        _check_one_meaning(reference)
    kinds = [is_data(name) for name in (*subjects, reference) if name is not None]
    if reference is not None and all(kinds):
        given = {"--psi": psi, "--class": class_index, "--precision": None if precision == "auto" else precision}
        check_unused("neither side is a model", given)

    computed = "fp32" if precision == "auto" and settings.alone else precision
    drawing = Drawing(device, computed, 1.0 if psi is None else psi, class_index)
    comparison = Comparison(settings, features, drawing, reference)
    if subjects[1:]:
        _ = comparison.features  # of one, nothing is fetched if it is refused; of several, what fails is told once
    reports: list[Report] = []

    def measure(name: str) -> None:
        report = comparison.measure(name)
        reports.append(report)
        if as_json:
            return
        for sentence in _told(report, num):
            comparison.tell(sentence)
        for line in _lines(report, f"{name:<{max(map(len, subjects))}}  " if subjects[1:] else ""):
            print_data(line)

    try:
        each(subjects, measure)
    finally:  # what was measured is not lost if the rest is stopped
        if as_json and reports:
            print_data(json.dumps([report.as_dict() for report in reports] if subjects[1:] else reports[0].as_dict()))
    if failed := len(subjects) - len(reports):
        raise StyleganError(f"{failed} of {len(subjects)} models could not be measured")


def _sides(placed: Sequence[str], data_set: str | None, compares: bool) -> tuple[list[str], str | None]:
    """The models to measure, and DATA: given as an option, or else the last of several that are `placed`. If nothing is
    compared, that may be one more model; a data set says how frequent classes are."""
    from stylegan_cli.cli.measuring import is_data

    subjects = list(placed)
    if data_set is None and len(subjects) > 1 and (compares or is_data(subjects[-1])):
        data_set = subjects.pop()
    if not subjects or (data_set is None and compares):
        raise UsageError(
            "metrics compares each MODEL with one DATA: stylegan metrics MODEL DATA, or --network MODEL --data DATA; "
            "--metrics ppl, eqt_int, eqt_frac and eqr need no DATA"
        )
    return subjects, data_set


def _check_one_meaning(reference: str) -> None:
    """Checks that DATA is not both a model's name and a folder: which of them was meant changes every number."""
    from stylegan_cli import store

    if reference in store.models() and Path(reference).is_dir():
        raise UsageError(
            f"as DATA, {reference} is a model's name and a folder here; write ./{reference} for the folder, or the "
            f"path that stylegan models path {reference} prints for the model"
        )


def _lines(report: Report, before: str) -> Iterator[str]:
    """A line for each measure, beginning with `before`."""
    for measure in report.measures:
        found = measure.estimate
        interval = f"95 %: {found.low:.5g} to {found.high:.5g} ({measure.interval})"
        yield f"{before}{measure.title:<30} {found.value:<11.5g} {interval}"


def _told(report: Report, num: int) -> Iterator[str]:
    """What the numbers depend on, and warnings about sides with fewer pictures than were asked for."""
    from stylegan_cli.metrics.evaluation import counted

    if report.size is None:  # a model alone
        what = counted([measure.name for measure in report.measures])
        yield f"{_side(report.subject, report.subject_about)}: {report.num:,} {what}, seed {report.seed}."
        return
    sides = (report.subject, report.subject_about), (report.reference, report.reference_about)
    counts = f"{report.num:,} pictures against {report.reference_num:,}"
    if report.num == report.reference_num:
        counts = f"{report.num:,} pictures each"
    yield (
        f"{' against '.join(_side(*side) for side in sides)}: {counts}, seed {report.seed}, compared at "
        f"{report.size} pixels, {report.features} at {report.features_size}, resized with {report.filter}."
    )
    if report.num < FID_PICTURES and any(measure.title == "FID" for measure in report.measures):
        yield f"FID usually means {FID_PICTURES:,} pictures, and is larger with fewer: to compare it, use --num 50000."
    abouts = {report.subject: report.subject_about, report.reference: report.reference_about}
    for title, count in {report.subject: report.num, report.reference: report.reference_num}.items():
        if count < num:
            only = (abouts[title] or {}).get("class")
            yield (
                f"{title} has only {count:,} {'pictures' if only is None else f'of class {only}'} of the {num:,} asked "
                "for. Fewer pictures give larger distances, so compare only with results for as many."
            )


def _side(title: str, about: dict[str, Any]) -> str:
    """A model with what its pictures depend on, `ffhq (sha256 0123abcd, psi 0.7, precision fp32)`; or a data set."""
    if "sha256" not in about:
        return title
    short = about | {"sha256": about["sha256"][:8]}
    return f"{title} ({', '.join(f'{key} {value}' for key, value in short.items() if value is not None)})"
