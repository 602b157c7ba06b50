"""`stylegan metrics`: how alike are the pictures of two sets, as a whole?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylegan_cli.cli.console import fetch, fetching, print_data, progress, tell
from stylegan_cli.cli.options import Device, Filter, ModelChoice, Seed, check_unused, command
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stylegan_cli.metrics.evaluation import Report
    from stylegan_cli.metrics.sets import PictureSet


FID_PICTURES = 50_000  # that FID is computed from, by custom


@command
def metrics(
    subject: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="The model to measure, or a data set.", show_default=False)
    ] = None,
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA", help="What to compare it with: a data set, or a model; ppl needs none.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "--network", help="MODEL, given as an option.", show_default=False)
    ] = None,
    data_set: Annotated[
        str | None, typer.Option("--data", help="DATA, given as an option.", show_default=False)
    ] = None,
    names: Annotated[
        str, typer.Option("--metrics", help="fd and kd (distances), pr (precision, recall), ppl (path length).")
    ] = "fd,kd,pr",
    num: Annotated[
        int,
        typer.Option(
            min=1,
            help="Pictures per side (50 or more; ppl: any number), or all if there are fewer. Inception uses all of "
            "DATA.",
        ),
    ] = 2000,
    seed: Seed = 0,
    size: Annotated[
        int | None,
        typer.Option(
            min=4, max=1024, help="Compare at this many pixels instead of the smaller side's.", show_default=False
        ),
    ] = None,
    filter: Filter = "lanczos",
    features: Annotated[
        str, typer.Option(help=r'efficientnet, or inception: FID itself, with pip install "stylegan-cli\[fid]".')
    ] = "efficientnet",
    psi: Annotated[
        float | None,
        typer.Option(
            "--psi", "--trunc", min=-2, max=2, help="Truncation: 1 is none, as ppl requires.", show_default="1.0"
        ),
    ] = None,
    class_index: Annotated[
        int | None, typer.Option("--class", min=0, help="For models with classes: only this class.", show_default=False)
    ] = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16; path length needs fp32.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a model's pictures with a data set: Frechet and kernel distance, precision and recall, path length.

    DATA is a folder or .zip of square pictures of the same size (made by stylegan dataset), or a model. If you give the
    same data set twice, its halves are compared: this is the lowest distance to expect. Distances with
    EfficientNet-Lite0 are not FID. Only compare numbers from the same size and number of pictures, features and filter.

    Examples: stylegan metrics ffhq faces.zip; stylegan metrics faces.zip faces.zip --num 5000; stylegan metrics
    ffhq --metrics ppl --num 500
    """
    import json

    from stylegan_cli import hardware
    from stylegan_cli.cli.studio import open_generator
    from stylegan_cli.metrics.evaluation import Judge, Settings, listed
    from stylegan_cli.metrics.features import named
    from stylegan_cli.metrics.sets import DataSet, Made
    from stylegan_cli.scorers.perceptual import EFFICIENTNET

    settings = Settings(listed(names), num, seed, size, filter)
    judged_name, reference_name = _sides(subject, reference, model, data_set, settings.compares)
    if not settings.compares:
        has_filter, has_features = filter != "lanczos", features != "efficientnet"
        unused = {"--size": size, "--filter": has_filter, "--features": has_features}
        check_unused("path length compares no pictures", unused)
    if "ppl" in settings.metrics:
        check_unused("path length is measured without truncation", {"--psi": None if psi == 1 else psi})
        check_unused("path length needs fp32", {"--precision": precision not in ("auto", "fp32")})

    computed = "fp32" if precision == "auto" and "ppl" in settings.metrics else precision

    def opened(name: str, like: DataSet | None = None) -> PictureSet:
        if _is_data(name):
            return DataSet(Path(name), only=class_index)
        generator, _ = open_generator(ModelChoice(name, device, computed))
        if class_index is not None:
            generator.choose_class(class_index)
        return Made(generator, 1.0 if psi is None else psi, like)

    judged_by = None if reference_name is None else opened(reference_name)
    judged = opened(judged_name, judged_by if isinstance(judged_by, DataSet) else None)
    if isinstance(judged, DataSet) and isinstance(judged_by, DataSet):
        given = {"--psi": psi, "--class": class_index, "--precision": None if precision == "auto" else precision}
        check_unused("neither side is a model", given)
    for side in (judged, judged_by):
        if class_index is not None and isinstance(side, DataSet) and not side.classes:
            tell(f"{side.title} has no classes, so all its pictures are taken for class {class_index}.")
    if features == "efficientnet" or "ppl" in settings.metrics:
        fetch([EFFICIENTNET])
    with fetching(lambda _size: "Fetching Inception's weights: 95 MB, once.\nLicence: Apache-2.0.") as on_bytes:
        seen = named(features, hardware.choose_device(device), on_bytes)
    judge = Judge(judged_by or judged, settings, seen)
    with progress("computing features", judge.steps(judged), "pictures") as advance:
        report = judge(judged, advance)
    if as_json:
        print_data(json.dumps(report.as_dict()))
        return
    for sentence in _told(report, num):
        tell(sentence)
    for measure in report.measures:
        found = measure.estimate
        print_data(
            f"{measure.title:<30} {found.value:<11.5g} 95 %: {found.low:.5g} to {found.high:.5g} ({measure.interval})"
        )


def _sides(
    subject: str | None, reference: str | None, model: str | None, data_set: str | None, compares: bool
) -> tuple[str, str | None]:
    """MODEL and DATA, each given by position or as an option; DATA may be left out if nothing is compared."""
    placed = [name for name in (subject, reference) if name is not None]
    judged, judged_by = (name if name is not None else placed.pop(0) if placed else None for name in (model, data_set))
    if placed or judged is None or (judged_by is None and compares):
        raise UsageError(
            "metrics compares one MODEL with one DATA: stylegan metrics MODEL DATA, or --network MODEL --data DATA; "
            "--metrics ppl needs no DATA"
        )
    return judged, judged_by


def _is_data(name: str) -> bool:
    """Whether a side is a data set, not a model. Raises UsageError if it is neither."""
    from stylegan_cli import store
    from stylegan_cli.datasets.layout import is_zip

    path, models = Path(name), store.models()
    if is_zip(path) or (path.is_dir() and name not in models and not (path / store.SNAPSHOT).is_file()):
        return True
    if not (name in models or name.startswith(store.URL) or store.is_file(name)):
        raise UsageError(
            f"there is neither a model nor a data set {name!r}; known models are {', '.join(models)}, and paths to a "
            "model file, or to a folder or .zip of pictures, work too"
        )
    return False


def _told(report: Report, num: int) -> Iterator[str]:
    """What the numbers depend on, and warnings about sides with fewer pictures than were asked for."""
    if all(measure.name == "ppl" for measure in report.measures):
        yield f"{_side(report.subject, report.subject_about)}: {report.num:,} paths, seed {report.seed}."
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
    for title, count in {report.subject: report.num, report.reference: report.reference_num}.items():
        if count < num:
            yield (
                f"{title} has only {count:,} of the {num:,} pictures asked for. Fewer pictures give larger distances: "
                "only compare these with others of as many."
            )


def _side(title: str, about: dict[str, Any]) -> str:
    """A model with what its pictures depend on, `ffhq (sha256 0123abcd, psi 0.7, precision fp32)`; or a data set."""
    if "sha256" not in about:
        return title
    short = about | {"sha256": about["sha256"][:8]}
    return f"{title} ({', '.join(f'{key} {value}' for key, value in short.items() if value is not None)})"
