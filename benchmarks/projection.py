"""How long finding a face takes, in forward passes of the generator, and how close it comes.

    python benchmarks/projection.py [--people 6] [--steps 100]

The faces are sampled from the default model, so a perfect answer exists; its encoder has not seen them. Distances
are perceptual (EfficientNet-Lite0). Each face is also compared with the next one: two random faces.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import torch

from stylegan_cli import encoders, hardware, store
from stylegan_cli.latents.people import from_seed
from stylegan_cli.operations import projection

FIRST_SEED, PSI = 1_000_000, 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()

    precision = hardware.choose_precision("auto", torch.device("cpu"))
    generator = store.load("ffhq").prepare(torch.device("cpu"), hardware.PRECISIONS[precision])
    file = store.source("ffhq").encoder
    assert file
    guesser = encoders.load(file, generator)
    ws = [from_seed(generator, FIRST_SEED + i, PSI).ws[None] for i in range(options.people)]
    forward, faces = [], []
    with torch.inference_mode():
        for one in [ws[0], *ws]:  # the first warms up
            began = time.perf_counter()
            faces.append(generator.synthesize(one))
            forward.append(time.perf_counter() - began)
    faces, second = [face.clone() for face in faces[1:]], statistics.median(forward[1:])
    print(f"{torch.get_num_threads()} threads, {precision}; one picture takes {second:.3f} s")
    print(f"{'face':>6}{'another':>9}{'guess':>9}{'found':>9}{'steps':>7}{'passes':>9}")
    found, others = [], []
    for i, face in enumerate(faces):
        began = time.perf_counter()
        with torch.inference_mode():
            guess = guesser.guess(face, generator).clone()
        result = projection.project(generator, face, guess, projection.Settings(options.steps))
        passes = (time.perf_counter() - began) / second
        likeness = projection.Likeness(face)
        with torch.inference_mode():
            another = likeness.distance(faces[(i + 1) % len(faces)]).item()
            first = likeness.distance(
                projection.perceptual.shrink(generator.synthesize(generator.broadcast(guess)))
            ).item()
            last = likeness.distance(generator.synthesize(result.ws[None])).item()
        found.append(last)
        others.append(another)
        print(f"{i:>6}{another:>9.2f}{first:>9.2f}{last:>9.2f}{result.steps:>7}{passes:>9.0f}", flush=True)
    share = statistics.mean(found) / statistics.mean(others)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"found faces are at {share:.0%} of the distance of two random faces; memory at most {peak:.2f} GB")


if __name__ == "__main__":
    main()
