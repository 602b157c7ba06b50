"""Trains the network that finds clothes (`stylegan_cli/faces/clothes.py`), on sampled faces without labels.

    stylegan sample --count 20480 --seed 1000000 --psi 0.8 --size 128 --format webp --dataset faces-128.zip
    python benchmarks/train_clothes.py parts faces-128.zip        # writes parts.pt, and parts.png to look at
    python benchmarks/train_clothes.py train faces-128.zip --clothes 2,3,16,17

`parts` clusters the generator's feature maps at 32 and 64 pixels (k-means of unit vectors); each cluster is a part of
pictures: eyes, hair, clothes, walls. The picture shows them numbered, so that you can tell which are clothes. `train`
shows the network sampled pictures, with colours, blur, JPEG, noise and covered parts as in photos, and where they have
these parts.
"""

from __future__ import annotations

import argparse
import colorsys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from fitting import BATCH, HELD_OUT, Network, disturb, fit
from PIL import Image, ImageDraw
from torch import Tensor, nn

from stylegan_cli import store
from stylegan_cli.architectures.mobilestylegan import MobileStyleGAN
from stylegan_cli.datasets.sampled import SampledFaces
from stylegan_cli.faces.clothes import PLACES, SIZE, Wardrobe
from stylegan_cli.faces.networks import weights
from stylegan_cli.noise import Noise

PARTS, ROUNDS = 24, 40
CLUSTERED, PLACES_OF_EACH = 400, 300  # faces, and places of each
SHOWN = 12
SHIFT, ZOOM, TURN = 0.1, 0.2, 0.15  # how far views are moved: half edges, logarithm, radians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("parts", "train"))
    parser.add_argument("data", type=Path, help="sampled faces of 128 pixels, with latents")
    parser.add_argument("--parts", type=Path, default=Path("parts.pt"))
    parser.add_argument("--clothes", default="", help="the numbers of the parts that are clothes")
    parser.add_argument("-o", "--out", type=Path, default=weights("clothes"))
    parser.add_argument("--count", type=int, default=8000, help="how many faces")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    torch.manual_seed(0)
    generator = store.load("ffhq").prepare(torch.device("cpu"), torch.bfloat16)
    assert isinstance(generator, MobileStyleGAN)
    faces = SampledFaces(options.data, generator)
    w = torch.from_numpy(faces.w)
    if options.step == "parts":
        centres = cluster(generator, w)
        torch.save(centres, options.parts)
        show(generator, faces, w, centres).save(options.parts.with_suffix(".png"))
        return
    centres = torch.load(options.parts)
    clothes = torch.tensor([int(number) for number in options.clothes.split(",")])
    examples = torch.empty(options.count, 4, SIZE, SIZE, dtype=torch.uint8)
    for i, one in enumerate(examples):
        one.copy_(example(generator, faces[i], w[i], centres, clothes))
    train(examples, options.epochs, options.out)


@torch.inference_mode()
def features(generator: MobileStyleGAN, w: Tensor) -> Tensor:
    """What the generator has at each place of a picture: `[PLACES * PLACES, 1024]`."""
    ws = w.expand(1, generator.num_ws, -1)
    x = generator.first(generator.const.to(generator.dtype), ws[:, 0], Noise(), 0)
    maps = []
    for n, block in enumerate(generator.blocks[:4]):
        x = block(x, ws, Noise(), 3 * n + 1)
        maps.append(x)
    whole = [F.interpolate(F.normalize(x.float(), dim=1), (PLACES, PLACES), mode="bilinear") for x in maps[-2:]]
    return torch.cat(whole, dim=1)[0].flatten(1).T


def cluster(generator: MobileStyleGAN, w: Tensor) -> Tensor:
    """The centres of PARTS clusters: `[PARTS, 1024]`."""
    some = w[torch.randperm(len(w))[:CLUSTERED]]
    x = torch.cat([features(generator, one)[torch.randperm(PLACES**2)[:PLACES_OF_EACH]] for one in some])
    centres = x[:1]
    while len(centres) < PARTS:  # k-means++: new centres are preferably far from all others
        apart = torch.cdist(x, centres).amin(dim=1).square()
        centres = torch.cat([centres, x[torch.multinomial(apart, 1)]])
    for _ in range(ROUNDS):
        nearest = torch.cdist(x, centres).argmin(dim=1)
        centres = torch.stack([x[nearest == part].mean(dim=0) for part in range(PARTS)])
    return centres


def parts(generator: MobileStyleGAN, w: Tensor, centres: Tensor) -> Tensor:
    """The part at each place of a picture, `[PLACES, PLACES]`."""
    return torch.cdist(features(generator, w), centres).argmin(dim=1).view(PLACES, PLACES)


def show(generator: MobileStyleGAN, faces: SampledFaces, w: Tensor, centres: Tensor) -> Image.Image:
    """The last faces, and below each its parts, numbered."""
    colours = [colorsys.hsv_to_rgb(n / PARTS, 1 - 0.4 * (n % 2), 1 - 0.4 * (n % 3 == 1)) for n in range(PARTS)]
    palette, edge = (np.array(colours) * 255).astype(np.uint8), 4 * PLACES
    sheet = Image.new("RGB", (6 * edge, SHOWN // 6 * 2 * edge))
    draw = ImageDraw.Draw(sheet)
    for n in range(SHOWN):
        left, top = n % 6 * edge, n // 6 * 2 * edge
        where = parts(generator, w[-1 - n], centres).numpy()
        sheet.paste(faces.image(len(faces) - 1 - n).resize((edge, edge)), (left, top))
        sheet.paste(Image.fromarray(palette[where]).resize((edge, edge), Image.Resampling.NEAREST), (left, top + edge))
        for part in np.unique(where):
            places = np.argwhere(where == part)
            y, x = places[len(places) // 2] * 4
            draw.text((left + x, top + edge + y), str(part), "white", stroke_width=1, stroke_fill="black")
    return sheet


def example(generator: MobileStyleGAN, face: np.ndarray, w: Tensor, centres: Tensor, clothes: Tensor) -> Tensor:
    """A face `[3, SIZE, SIZE]` and where it shows clothes: `[4, SIZE, SIZE]` uint8."""
    where = torch.isin(parts(generator, w, centres), clothes)
    mask = F.interpolate(where[None, None].float() * 255, (SIZE, SIZE), mode="bilinear")[0].byte()
    return torch.cat([torch.from_numpy(face.copy()), mask])


def train(examples: Tensor, epochs: int, out: Path) -> None:
    def loss(wardrobe: Network, chosen: Tensor) -> Tensor:
        views, masks = moved(examples[chosen])
        told = wardrobe(disturb(views).contiguous(memory_format=torch.channels_last))
        return F.binary_cross_entropy_with_logits(told, masks)

    def quality(wardrobe: nn.Module) -> str:
        return f"{overlap(wardrobe, examples[-HELD_OUT:]):.3f} of the union"

    fit(Wardrobe(), len(examples) - HELD_OUT, epochs, loss, quality, out)


def moved(examples: Tensor) -> tuple[Tensor, Tensor]:
    """Examples as views `[n, 3, SIZE, SIZE]` in [-1, 1] and masks `[n, 1, PLACES, PLACES]`, mirrored, shifted, scaled
    and turned at random."""
    n = len(examples)
    shift, zoom, turn = ((torch.rand(n, 2) * 2 - 1) * most for most in (SHIFT, ZOOM, TURN))
    mirror = torch.rand(n).sub(0.5).sign()
    scale, angle = zoom[:, 0].exp(), turn[:, 0]
    rows = [scale * angle.cos() * mirror, -scale * angle.sin(), shift[:, 0]]
    rows += [scale * angle.sin() * mirror, scale * angle.cos(), shift[:, 1]]
    grid = F.affine_grid(torch.stack(rows, dim=1).view(n, 2, 3), [n, 4, SIZE, SIZE], align_corners=False)
    seen = F.grid_sample(examples.float(), grid, padding_mode="border", align_corners=False)
    return seen[:, :3] / 127.5 - 1, F.avg_pool2d(seen[:, 3:], SIZE // PLACES) / 255


@torch.inference_mode()
def overlap(wardrobe: nn.Module, examples: Tensor) -> float:
    """The intersection of what the network and the examples call clothes, as a share of their union."""
    x, truth = examples[:, :3].float() / 127.5 - 1, F.avg_pool2d(examples[:, 3:].float(), SIZE // PLACES) > 127
    told = torch.cat([wardrobe(part) for part in x.split(BATCH)]) > 0
    return ((told & truth).sum() / (told | truth).sum()).item()


if __name__ == "__main__":
    main()
