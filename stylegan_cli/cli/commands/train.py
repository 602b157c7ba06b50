"""`stylegan train`: from pictures to a model."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, silence
from stylegan_cli.cli.options import Device, Seed, check_word, command, optional
from stylegan_cli.cli.stopping import Stopped
from stylegan_cli.cli.train.given import recall
from stylegan_cli.errors import UsageError
from stylegan_cli.training import asked

_networks, _learning, _growing, _augmentation = (
    partial(optional, panel=panel)
    for panel in ("Networks", "Learning", "Growing (stylegan1)", "Augmentation, transfer")
)


@dataclass(frozen=True)
class Choices:
    """What a preset fills in if the user leaves it out."""

    cfg: Annotated[str | None, _networks("stylegan1 (AdaIN, grows), stylegan2, stylegan3-t or stylegan3-r.")] = None
    cbase: Annotated[int | None, _networks("Capacity: CBASE / r feature maps at r pixels, at most --cmax.", min=16)] = (
        None
    )
    cmax: Annotated[int | None, _networks("Maximum number of feature maps.", min=1)] = None
    map_depth: Annotated[int | None, _networks("Layers of the mapping network.", min=1, max=64)] = None
    latent: Annotated[int | None, _networks("Size of z and w.", min=1)] = None
    mbstd_group: Annotated[
        int | None, _networks("Group size of the minibatch standard deviation; 0 is none.", min=0)
    ] = None
    batch: Annotated[str | None, _learning("Pictures per step.")] = None
    batch_gpu: Annotated[
        str | None,
        _learning("Pictures computed at once; fewer need less memory, and make smaller groups."),
    ] = None
    glr: Annotated[str | None, _learning("The generator's learning rate.")] = None
    dlr: Annotated[str | None, _learning("The discriminator's learning rate.")] = None
    gamma: Annotated[str | None, _learning("Weight of the R1 penalty.")] = None
    pl_weight: Annotated[float | None, _learning("Weight of path lengths (stylegan2).", min=0)] = None
    mixing: Annotated[float | None, _learning("Probability of style mixing.", min=0, max=1)] = None
    ema_kimg: Annotated[float | None, _learning("Half-life of the running average.", min=0)] = None
    first_res: Annotated[int | None, _growing("Pixels at the start.", min=4)] = None
    stable_kimg: Annotated[str | None, _growing("Kimg at each resolution.")] = None
    fade_kimg: Annotated[str | None, _growing("Kimg to fade in each resolution.")] = None
    aug: Annotated[str | None, _augmentation("ada (adaptive), fixed or none.")] = None
    p: Annotated[float | None, _augmentation("The probability for --aug fixed.", min=0, max=1)] = None
    augpipe: Annotated[str | None, _augmentation("blit, geom, color, bg or bgc.")] = None
    ada_kimg: Annotated[float | None, _augmentation("Kimg in which p could rise from 0 to 1.", min=0.001)] = None
    target: Annotated[float | None, _augmentation("Target value for r_t.", min=-1, max=1)] = None
    freezed: Annotated[int | None, _augmentation("Layers of the discriminator to freeze.", min=0)] = None
    warmup_kimg: Annotated[
        float | None,
        _augmentation(
            "Kimg in which the discriminator learns alone: 50 if --resume has none, or one for other classes.", min=0
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
        optional(
            "For a new run: square pictures, a folder or .zip made by stylegan dataset. By default, those of the "
            "run that --resume names, with its --cond, --mirror and --subset."
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Fills in what you leave out: auto (like NVIDIA's), paper, or laptop (64 pixels; hours on a CPU)."
        ),
    ] = asked.PRESET,
    kimg: Annotated[float | None, optional("Stop after this many thousand pictures.", min=0.001)] = None,
    resolution: Annotated[
        int | None,
        optional("Train at this many pixels; by default the pictures' own, or those of --resume.", min=1),
    ] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Also learn from mirror images.")] = None,
    cond: Annotated[
        bool | None, typer.Option("--cond/--no-cond", help="Also learn the classes of the data set.")
    ] = None,
    subset: Annotated[
        int | None,
        optional("Learn from this many of the pictures, chosen at random.", min=1),
    ] = None,
    resume: Annotated[
        str | None,
        optional(
            "Start from a StyleGAN 1, 2 or 3: a model, or a run's folder. In there, the newest and the best model "
            "also have their discriminator. With another --resolution, some layers are new, or left out (not in 3).",
            metavar="MODEL|RUN",
        ),
    ] = None,
    tick: Annotated[float | None, optional("Kimg between log lines.", min=0.001)] = None,
    snap: Annotated[int, typer.Option(min=1, help="Ticks between snapshots.")] = 10,
    keep_all: Annotated[
        bool,
        typer.Option(
            "--keep-all/--no-keep-all",
            help="Keep the model of every snapshot, not only the newest and the best.",
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
    from stylegan_cli.metrics.features import FEATURES
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
    check_word("--features", features, FEATURES)
    chosen_device = devices.chosen(device)
    choice = watching.Choice(watching.metrics_of(metrics), features, metrics_num)
    given_precision = None if precision == "auto" else hardware.choose_precision(precision, chosen_device)
    said = choices.said(seed=seed, mirror=mirror, precision=given_precision)
    request = Request(data, preset, said, resolution, cond, subset, resume)
    world, own_device = parallel.join(chosen_device)
    if not world.leads:
        silence()
    if given_precision:
        devices.tell_if_emulated(given_precision, chosen_device)
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
