"""The Typer app. Heavy imports happen inside commands, so that `--help` answers at once."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stylegan_cli import __version__
from stylegan_cli.cli.boundary import boundary
from stylegan_cli.cli.commands import directions, models
from stylegan_cli.cli.commands.align import align
from stylegan_cli.cli.commands.apply import apply
from stylegan_cli.cli.commands.average import average
from stylegan_cli.cli.commands.bench import bench
from stylegan_cli.cli.commands.blend_parents import blend_parents
from stylegan_cli.cli.commands.dataset import dataset
from stylegan_cli.cli.commands.doctor import doctor
from stylegan_cli.cli.commands.drag import drag
from stylegan_cli.cli.commands.edit import edit
from stylegan_cli.cli.commands.explore import explore
from stylegan_cli.cli.commands.interpolate import interpolate
from stylegan_cli.cli.commands.metrics import metrics
from stylegan_cli.cli.commands.mix import mix
from stylegan_cli.cli.commands.noise import noise
from stylegan_cli.cli.commands.paste import paste
from stylegan_cli.cli.commands.project import project
from stylegan_cli.cli.commands.replay import replay, show
from stylegan_cli.cli.commands.sample import sample
from stylegan_cli.cli.commands.train import train
from stylegan_cli.cli.commands.train_encoder import train_encoder
from stylegan_cli.cli.spellings import spelled


class Commands(TyperGroup):
    """Accepts other spellings of our commands and options, and runs everything inside the error boundary."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with boundary():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # While a shell completes words, nobody would see errors.
        return super().parse_args(ctx, args if ctx.resilient_parsing else spelled(args))

    def invoke(self, ctx: Any) -> Any:
        with boundary():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "A PERSON is a seed (42), latents (jon.npy, projected_w.npz), a picture made by this tool (mix.png, "
        "sheet.png#2), a photo (me.jpg, party.jpg#2), or a name from the model's cast (jon, dany, jaime, cersei, "
        "drogo, tyrion, arya, sansa)."
    ),
)
# What is hardly ever left out, where no argument says it.
USAGE = {train: "[--data DATA] --outdir RUN [OPTIONS]"}
MODELS = "Models and training"
PICTURES = sample, mix, noise, interpolate, blend_parents, average, edit, drag, apply, explore, replay, show
PANELS = {
    "Pictures of people": PICTURES,
    "Photos": (align, project, paste),
    MODELS: (dataset, train, metrics, train_encoder),
    "This machine": (doctor, bench),
}
for panel, functions in PANELS.items():
    for function in functions:
        app.command(options_metavar=USAGE.get(function, "[OPTIONS]"), rich_help_panel=panel)(function)
app.add_typer(directions.app, name="directions", rich_help_panel=MODELS)
app.add_typer(models.app, name="models", rich_help_panel=MODELS)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def stylegan(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Edit faces in StyleGAN's latent space."""
