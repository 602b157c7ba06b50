"""`stylegan train-encoder`: teach a network to guess a picture's latent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import counting, fetch, print_data, tell
from stylegan_cli.cli.options import Force, ModelChoice, Seed, command, command_line, out_option
from stylegan_cli.errors import UsageError


@command
def train_encoder(
    choice: ModelChoice,
    data: Annotated[
        Path,
        typer.Option(
            exists=True, help="Pictures with their latents, made by stylegan sample --dataset (a folder or .zip)."
        ),
    ],
    out: Annotated[Path, out_option("The encoder's file.")] = Path("encoder.safetensors"),
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="How often each picture is seen.")] = 8,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Pictures per step.")] = 32,
    rate: Annotated[float, typer.Option("--lr", min=1e-7, max=1, help="The learning rate at its peak.")] = 1e-3,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Train an encoder: it guesses the latent of a picture, and stylegan project starts from its guess.

    It learns from pictures sampled from the model itself, so make some first: 20,000 at 128 pixels are plenty. The file
    is written after every epoch, in half precision. Projections start from it if it is called encoder.safetensors and
    is beside a model file or in a run's folder; stylegan models add also copies it.

    Example: stylegan sample -n 20000 --psi 0.8 --size 128 --format webp --dataset drawn.zip --model run; stylegan
    train-encoder --data drawn.zip --model run -o run/encoder.safetensors
    """
    import torch

    from stylegan_cli import encoders, store
    from stylegan_cli.cli.opened import open_generator
    from stylegan_cli.datasets.sampled import SampledFaces
    from stylegan_cli.scorers.perceptual import EFFICIENTNET
    from stylegan_cli.training.encoder import Settings, Step, train

    if places.is_folder(out):
        out = out / store.ENCODER
    if out.suffix.lower() != store.NATIVE:
        raise UsageError(f"{out}: encoders are written as {store.NATIVE}")
    places.check_file(out, force)
    generator, _ = open_generator(choice)
    fetch([EFFICIENTNET])
    settings = Settings(epochs, batch, rate, seed)
    faces = SampledFaces(data, generator)
    with counting("training", "steps") as on_done:

        def on_step(step: Step, average: encoders.Encoder) -> None:
            on_done(step.done, step.total)
            if step.held_out is None:
                return
            notes = {"command": command_line(), "pictures": len(faces), "unseen variance": step.held_out}
            encoders.save(average, out, notes)
            tell(
                f"epoch {round(step.done * epochs / step.total)}: {step.held_out:.3f} of the variance of w in "
                "held-out pictures is not explained"
            )

        train(generator, faces, torch.from_numpy(faces.w), settings, on_step)
    print_data(out)
    place = store.source(choice.model).encoder_place
    if place is None:
        tell("stylegan project looks for it beside model files: download the model, and put the two together.")
    elif place.resolve() != out.resolve():
        tell(f"stylegan project looks for it elsewhere: move it to {place}.")
