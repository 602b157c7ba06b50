"""`stylegan noise`: variations of one face."""

from __future__ import annotations

from typing import Annotated

import typer

from stylegan_cli.cli.options import Generation, Grid, PictureOutput, Seed, check_unused, command, optional
from stylegan_cli.errors import UsageError


@command
def noise(
    generation: Generation,
    output: PictureOutput,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Seed, latents, picture, photo or name.")],
    layers: Annotated[
        str | None,
        optional("Layers that get noise: coarse, middle, fine, several (coarse,fine), all (the default) or none."),
    ] = None,
    count: Annotated[
        int | None,
        optional("How many (default 4; with --heatmap 32).", "--count", "-n", min=1, max=100_000),
    ] = None,
    strength: Annotated[
        float | None,
        optional("Factor for the noise's learned strength (default 1).", min=0, max=10),
    ] = None,
    seed: Seed = 0,
    panels: Annotated[
        bool, typer.Option("--panels", help="The paper's figure: noise in all layers, none, the fine ones, the others.")
    ] = False,
    heatmap: Annotated[
        bool, typer.Option("--heatmap", help="Where noise matters: each pixel's standard deviation over many noises.")
    ] = False,
    jitter: Annotated[
        float | None,
        optional("Move z instead: G(z + EPS * N(0, 1)); w if z is unknown.", metavar="EPS", min=0, max=10),
    ] = None,
    grid: Grid = False,
) -> None:
    """Vary one face: per-pixel noise in chosen layers, or a small step in z.

    Only the layers that you name get noise, as in figure 5 of the StyleGAN paper. Noise changes curls, pores and
    background; --jitter changes the person a little.

    Examples: stylegan noise jon --layers fine; stylegan noise 42 --panels; stylegan noise 42 --jitter 0.3 --grid
    """
    ways = [name for name, on in (("--panels", panels), ("--heatmap", heatmap), ("--jitter", jitter is not None)) if on]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} exclude each other; give one of them")
    if grid and (panels or heatmap):
        raise UsageError(f"{ways[0]} makes one picture already; leave out --grid")
    if heatmap and count == 1:
        raise UsageError("--heatmap compares noises; use --count 2 or more (32 by default)")
    if panels:
        check_unused("--panels shows the same four noises every time", {"--layers": layers, "--count": count})
    if jitter is not None:
        check_unused("--jitter changes z, not the noise", {"--layers": layers, "--strength": strength})

    from stylegan_cli.cli import casting
    from stylegan_cli.cli.studio import Studio, Work, portrait
    from stylegan_cli.latents.selection import parse_bands, parse_layers
    from stylegan_cli.operations import variation
    from stylegan_cli.pictures import contact_sheet

    bands, strength = parse_bands("all" if layers is None else layers), 1.0 if strength is None else strength
    if heatmap and not (bands and strength):
        raise UsageError("--heatmap shows what noise changes, but here there is none; leave out --layers or --strength")
    studio = Studio(generation, output)
    if jitter is None and not studio.generator.has_noise:
        raise UsageError(f"{generation.model} has no per-pixel noise (StyleGAN3 has none); use --jitter instead")
    if layers is not None or panels:
        parse_layers(layers or "fine", studio.generator.layers)
    is_varied = bool(bands and strength) if jitter is None else jitter > 0
    if count and count > 1 and not is_varied:
        how = "without noise" if jitter is None else "with --jitter 0"
        raise UsageError(f"{how}, these are {count} times the same picture; leave out --count")
    number = count or (32 if heatmap else 4 if is_varied else 1)
    title = "noise-panels" if panels else "noise-heatmap" if heatmap else "noise"
    names = [title] if panels or heatmap or grid else [f"noise-{seed + i}" for i in range(number)]
    studio.check_results(names)
    (who,) = casting.several(studio, [person], in_z=jitter is not None)
    if panels:
        studio.save_sheet(title, variation.panels(who, seed, strength), [who])
        return
    if heatmap:
        picture = variation.heatmap(who, bands, strength, seed, number)
        studio.save(names, [Work(picture, (who,))], faces=number)
        return
    if jitter is not None:
        varied = variation.jitter(studio.generator, who, jitter, seed, number)
    else:
        varied = variation.with_noise(who, bands, strength, seed, number)
    if grid:
        shown = list(varied)
        studio.save_sheet(title, contact_sheet([other.face() for other in shown]), shown)
    else:
        studio.save(names, map(portrait, varied), "noise")
