"""`stylegan train`: from pictures to a model."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, silence
from stylegan_cli.cli.options import Device, Seed, check_word, command
from stylegan_cli.cli.stopping import Stopped
from stylegan_cli.cli.train.given import recall
from stylegan_cli.errors import UsageError
from stylegan_cli.training import asked

_NETWORKS, _LEARNING, _GROWING, _AUGMENTATION = "Networks", "Learning", "Growing (stylegan1)", "Augmentation, transfer"


def _open(help: str, panel: str, **limits: Any) -> Any:
    """An option that the preset fills in if the user leaves it out."""
    return typer.Option(help=help, rich_help_panel=panel, show_default=False, **limits)


@dataclass(frozen=True)
class Choices:
    """What a preset fills in if the user leaves it out."""

    cfg: Annotated[str | None, _open("stylegan1 (AdaIN, grows), stylegan2, stylegan3-t or stylegan3-r.", _NETWORKS)] = (
        None
    )
    cbase: Annotated[
        int | None, _open("Capacity: CBASE / r feature maps at r pixels, at most --cmax.", _NETWORKS, min=16)
    ] = None
    cmax: Annotated[int | None, _open("Maximum number of feature maps.", _NETWORKS, min=1)] = None
    map_depth: Annotated[int | None, _open("Layers of the mapping network.", _NETWORKS, min=1, max=64)] = None
    latent: Annotated[int | None, _open("Size of z and w.", _NETWORKS, min=1)] = None
    mbstd_group: Annotated[
        int | None, _open("Group size of the minibatch standard deviation; 0 is none.", _NETWORKS, min=0)
    ] = None
    batch: Annotated[str | None, _open("Pictures per step.", _LEARNING)] = None
    batch_gpu: Annotated[
        str | None, _open("Pictures computed at once; fewer need less memory, and make smaller groups.", _LEARNING)
    ] = None
    glr: Annotated[str | None, _open("The generator's learning rate.", _LEARNING)] = None
    dlr: Annotated[str | None, _open("The discriminator's learning rate.", _LEARNING)] = None
    gamma: Annotated[str | None, _open("Weight of the R1 penalty.", _LEARNING)] = None
    pl_weight: Annotated[float | None, _open("Weight of path lengths (stylegan2).", _LEARNING, min=0)] = None
    mixing: Annotated[float | None, _open("Probability of style mixing.", _LEARNING, min=0, max=1)] = None
    ema_kimg: Annotated[float | None, _open("Half-life of the running average.", _LEARNING, min=0)] = None
    first_res: Annotated[int | None, _open("Pixels at the start.", _GROWING, min=4)] = None
    stable_kimg: Annotated[str | None, _open("Kimg at each resolution.", _GROWING)] = None
    fade_kimg: Annotated[str | None, _open("Kimg to fade in each resolution.", _GROWING)] = None
    aug: Annotated[str | None, _open("ada (adaptive), fixed or none.", _AUGMENTATION)] = None
    p: Annotated[float | None, _open("The probability for --aug fixed.", _AUGMENTATION, min=0, max=1)] = None
    augpipe: Annotated[str | None, _open("blit, geom, color, bg or bgc.", _AUGMENTATION)] = None
    ada_kimg: Annotated[float | None, _open("Kimg in which p could rise from 0 to 1.", _AUGMENTATION, min=0.001)] = None
    target: Annotated[float | None, _open("Target value for r_t.", _AUGMENTATION, min=-1, max=1)] = None
    freezed: Annotated[int | None, _open("Layers of the discriminator to freeze.", _AUGMENTATION, min=0)] = None
    warmup_kimg: Annotated[
        float | None,
        _open(
            "Kimg in which the discriminator learns alone: 50 if --resume has none, or one for other classes.",
            _AUGMENTATION,
            min=0,
        ),
    ] = None

    def said(self, **more: Any) -> dict[str, Any]:
        """What the user did not leave out, of these and of `more` options, by their names."""
        return {name: value for name, value in (asdict(self) | more).items() if value is not None}


@command
def train(
    context: typer.Context,
    choices: Choices,
    outdir: Annotated[
        Path,
        typer.Option(
            help="The run's folder; a run that is already in it is resumed with its options.",
            callback=recall,
            is_eager=True,
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="For a new run: square pictures, a folder or .zip made by stylegan dataset. By default, those of the "
            "run that --resume names, with its --cond, --mirror and --subset.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Fills in what you leave out: auto (like NVIDIA's), paper, or laptop (64 pixels; hours on a CPU)."
        ),
    ] = asked.PRESET,
    kimg: Annotated[
        float | None, typer.Option(min=0.001, help="Stop after this many thousand pictures.", show_default=False)
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train at this many pixels; by default the pictures' own, or those of --resume.",
            show_default=False,
        ),
    ] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Also learn from mirror images.")] = None,
    cond: Annotated[
        bool | None, typer.Option("--cond/--no-cond", help="Also learn the classes of the data set.")
    ] = None,
    subset: Annotated[
        int | None,
        typer.Option(min=1, help="Learn from this many of the pictures, chosen at random.", show_default=False),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL|RUN",
            help="Start from a StyleGAN 1, 2 or 3: a model, or a run's folder. In there, the newest and the best model "
            "also have their discriminator. With another --resolution, some layers are new, or left out (not in 3).",
            show_default=False,
        ),
    ] = None,
    tick: Annotated[float | None, typer.Option(min=0.001, help="Kimg between log lines.", show_default=False)] = None,
    snap: Annotated[int, typer.Option(min=1, help="Ticks between snapshots.")] = 10,
    keep_all: Annotated[
        bool,
        typer.Option(
            "--keep-all/--no-keep-all",
            help="Keep every snapshot's model (network-snapshot-000200.safetensors), not only the newest and the best.",
        ),
    ] = False,
    metrics: Annotated[
        str, typer.Option(help="fd, kd, fd,kd or none; measured at some snapshots (5 % of the time) and at the end.")
    ] = "fd",
    features: Annotated[
        str,
        typer.Option(help="For --metrics: efficientnet (fast), or inception (then fd is FID)."),
    ] = "efficientnet",
    metrics_num: Annotated[
        int,
        typer.Option(
            min=50,
            help="For --metrics: pictures per side, or half of the data if that is fewer. Inception uses all of the "
            "data, and this many of the model.",
        ),
    ] = 1000,  # half as many as in `stylegan metrics`, for a curve with twice as many points
    seed: Seed = 0,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="Precision of convolutions: auto, fp32, bf16 or fp16.")] = "auto",
    gpus: Annotated[int, typer.Option(min=1, hidden=True)] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print the run's options, and exit without training.")
    ] = False,
) -> None:
    """Train a StyleGAN, StyleGAN2 or StyleGAN3 on your pictures.

    The folder holds the current model (network-snapshot.safetensors, for any --model), the best one so far by the first
    of --metrics (network-best.safetensors), pictures, a log, a report.html, a film, and checkpoints; also events for
    TensorBoard, with pip install "stylegan-cli[tensorboard]".

    After Ctrl-C or a crash, stylegan train --outdir run resumes; on a CPU with the same number of threads, the
    final model is identical to the bit.

    --batch, --glr, --dlr, --gamma, --stable-kimg and --fade-kimg also take values by resolution: 8:64,32:32 is 64 at 8
    and 16 pixels, and 32 from 32 pixels on. --metrics are those of stylegan metrics; its EfficientNet
    (17 MB) is fetched once.

    For several processes or machines: torchrun --nproc-per-node 2 -m stylegan_cli train ...

    Examples: stylegan train --data faces.zip --outdir run --preset laptop; stylegan train --data pets.zip --outdir pets
    --resume ffhq-256.pkl --kimg 200 --gamma 2
    """
    from stylegan_cli import hardware, parallel
    from stylegan_cli.cli import devices, foreign
    from stylegan_cli.cli.train.opening import Request, plan_run, show, start
    from stylegan_cli.cli.train.run import continuing, one_voice, run_to_end
    from stylegan_cli.metrics import watching
    from stylegan_cli.metrics.features import NAMES
    from stylegan_cli.training import presets
    from stylegan_cli.training.folder import RunFolder
    from stylegan_cli.training.loop import Pace

    if resume is not None:
        foreign.check_network(resume)
    presets.check(preset, choices.said())  # before pictures are read, which may take minutes
    if gpus > 1:
        raise UsageError(
            f"--gpus {gpus}: use torchrun --nproc-per-node {gpus} -m stylegan_cli train ..., without --gpus"
        )
    check_word("--features", features, NAMES)
    chosen_device = devices.chosen(device)
    choice = watching.Choice(watching.metrics_of(metrics), features, metrics_num)
    given_precision = None if precision == "auto" else hardware.choose_precision(precision, chosen_device)
    said = choices.said(seed=seed, mirror=mirror, precision=given_precision)
    request = Request(data, preset, said, resolution, cond, subset, resume)
    world, own_device = parallel.join(chosen_device)
    if not world.leads:
        silence()
    with one_voice(world), closing(RunFolder(outdir, keep_all)) as run:
        if not dry_run:
            with world.together():
                places.check_folder(outdir)
        plan = plan_run(context, request, run, world, own_device)
        pace = Pace(kimg or plan.session.pace.kimg, tick or plan.session.pace.tick, snap)
        if dry_run:
            show(plan, world, pace)
            return
        session = start(plan, world, pace)
        if not run_to_end(session, world, own_device, pace, choice, plan.notes()):
            raise Stopped(f"Stopped after {session.state.progress.kimg:g} kimg; to continue: {continuing(outdir)}")
    if world.leads:
        print_data(run.snapshot)
