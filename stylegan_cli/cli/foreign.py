"""Others' names for our commands and options: NVIDIA's, rosinality's, lucidrains', genforce's, and everyday words.

Names that mean the same here are accepted (see `spellings`). For these, an error gives our name, and units where they
differ, since a suggestion by spelling alone would be wrong.
"""

from pathlib import Path

from stylegan_cli.errors import UsageError

# Our name, and theirs for it.
VERBS = {
    "sample": "generate generate-image generate-images gen-image gen-images run-generator",
    "explore": "visualizer visualize gui ui web app",
    "mix": "style-mixing stylemix mixing",
    "interpolate": "gen-video generate-video video lerp random-video morph generate-audiovisual",
    "interpolate 1 2 --method circle": "circular-video",
    "blend-parents": "blend child children baby breed",
    "project": "projector projection run-projector invert",
    "edit --direction": "apply-factor",
    "edit me.jpg --age 3": "age older old",
    "edit me.jpg --age -3": "younger young",
    "edit me.jpg --smile 2": "smile",
    "paste": "swap faceswap face-swap",
    "directions discover --method sefa": "sefa closed-form-factorization factorize",
    "directions discover --method pca": "pca ganspace",
    "dataset": "dataset-tool prepare-data",
    "metrics": "calc-metrics run-metrics fid",
    "models convert": "convert convert-weight legacy",
    "models blend faces.pkl cartoon.pkl --at 32 --out toon.safetensors": "toonify toon cartoon cartoonify",
}
# What nothing here does.
NO_VERBS = "multimodal-truncation discriminator-synthesis avg-spectra visualize-training"
NO_OPTIONS = {
    "sample": "--anchor-latent-space --centroids-path --centroids --description",
    "interpolate": "--anchor-latent-space",
    "project": "--initial-learning-rate --w-avg-samples --trunc --psi --lr --mse --noise --noise-ramp "
    "--noise-regularize",
    "train": "--mirrory --freezeg --initstrength --blur-percent --ema-rampup --attn-layers --top-k-training "
    "--transparent --aug-types --resume-augment --fq-layers",
}
# What NVIDIA's `train.py --resume` fetches for a word.
NETWORKS = {
    "ffhq256": "ffhq-res256-mirror-paper256-noaug.pkl",
    "ffhq512": "ffhq-res512-mirror-stylegan2-noaug.pkl",
    "ffhq1024": "ffhq-res1024-mirror-stylegan2-noaug.pkl",
    "celebahq256": "celebahq-res256-mirror-paper256-kimg100000-ada-target0.5.pkl",
    "lsundog256": "lsundog-res256-paper256-kimg100000-noaug.pkl",
}
# What other tools do without a verb.
FIRST = {"--data": "train", "--generate": "sample", "--generate-interpolation": "interpolate"}
PERSON = {"a seed as the person: 3, or 3-9": "--seeds"}
AGES = "--older --old --younger --young"
EDITS = {f"stylegan edit jon --{name} 3": f"--{name}" for name in ("gender", "smile", "yaw", "pitch", "hair", "beard")}
UNEDITED = {"stylegan edit jon --age 3": f"--age {AGES}"} | EDITS  # where nothing is edited
NUMBERED = {"party.jpg#2, with the face's number": "--face"}
OPTIONS = {
    "sample": UNEDITED
    | {
        "--count": "--pics --num-generate --num-samples --n-sample --num --sample",
        "--outdir": "--results-dir --output-dir --out-dir",
        "--count 16 --grid --columns 4, for 4 x 4": "--num-image-tiles",
        "--grid": "--save-grid",
        "--count, a row for each seed": "--samples-per-class",
        "--precision fp32": "--fp32 --force-fp32",
        "--count 64 --grid": "--generate",
        "stylegan interpolate": "--generate-interpolation",
        "--columns": "--nrow --n-row --grid-width",
        "--size": "--resolution --image-size",
        "--save-latents": "--save-dlatents",
    },
    # It takes hair from others, and what belongs to eyes and mouths.
    "mix": {edit: theirs for edit, theirs in UNEDITED.items() if theirs not in ("--hair", "--beard")}
    | {
        "--eyes": "--glasses --brows --eyebrows",
        "--mouth": "--lips --beard",
        "--rows": "--row-seeds --n-row",
        "--cols": "--col-seeds --n-col",
        "--rows and --cols": "--seeds",
        "--styles": "--col-styles",
    },
    "interpolate": UNEDITED
    | {
        "--method": "--kind --interpolation --interp-type",
        "--method spherical, which moves in z": "--space",
        "--method circle, with two people": "--circular",
        "--frames": "--steps --num-steps --interpolation-num-steps",
        "--grid 4x4": "--num-image-tiles",
        "--seeds, with as many for each film of --grid": "--num-keyframes",
        "--seeds, in another order": "--shuffle-seed",
        "--frames (from one person to the next) and --fps": "--duration-sec",
        "--audio": "--audio-file --song --music",
        "--frames, which with --audio is how many there are at most": "--duration",
        "--grid 3x2, with two or more people for each of its films": "--grid-width --grid-height",
    },
    "project": {
        "--steps": "--step --num-iterations",
        "--space w+": "--w-plus --project-in-wplus",
        "--film search.mp4": "--save-video",
        "the photos themselves": "--images-dir --data-path --test-batch-size",
        "--outdir": "--save-dir --exp-dir --results-path",
        "--steps 0 for the encoder's guess; ReStyle's always takes five passes": "--n-iters-per-batch",
    }
    | NUMBERED,
    "edit": {
        "--direction NAME=AMOUNT": "--factor --degree --index --alpha --boundary --boundary-path",
        **PERSON,
        "--age 3, or -3": AGES,
        "--hairline": "--bald --baldness",
        "--hair 80%": "--blond --blonde --hair-color --hair-colour",
        "--smile": "--happy --smiling",
        "--gender": "--man --male --masculine",
        "--gender, with a negative amount": "--woman --female --feminine",
        "--yaw": "--turn --pose",
        "a range, like --age -4..4, for a strip": "--grid",
    }
    | NUMBERED,
    "align": NUMBERED,
    "paste": UNEDITED | PERSON,
    "noise": UNEDITED | PERSON,
    "blend-parents": EDITS | PERSON | {"--age 8y": AGES},
    "average": {"seeds as people: average 0-3": "--seeds --count --num"},
    "explore": PERSON,
    "apply": PERSON,
    "dataset": {"--size": "--image-size"},
    "metrics": {"--data with a mirrored data set, made by stylegan dataset": "--mirror"},
    "train": {
        "--data": "--path --dataset --dataset-path",
        "--outdir": "--name --results-dir --models-dir --out --output",
        "--resume": "--ckpt --load-from --resume-pkl",
        "--outdir of the run to go on with, which knows how far it is": "--resume-kimg",
        "another --outdir": "--new",
        "--resolution": "--size --image-size",
        "--precision fp32": "--fp32",
        "--precision fp16": "--fp16 --amp",
        "--kimg, in thousands of pictures: steps times --batch, divided by 1000": "--iter --num-train-steps",
        "--kimg": "--total-kimg",
        "--snap": "--img-snap --image-snapshot-ticks --network-snapshot-ticks",
        "--snap, in ticks (of --tick thousand pictures), not in steps": "--save-every",
        "--batch, of a whole step": "--batch-size",
        "torchrun -m stylegan_cli train": "--multi-gpus --data-parallel",
        "--batch, that many times larger, and --batch-gpu": "--gradient-accumulate-every",
        "--glr and --dlr": "--lr --learning-rate",
        "--gamma": "--r1 --r1-gamma",
        "--pl-weight": "--path-regularize",
        "--pl-weight 0": "--no-pl-reg --nopl",
        "--mixing": "--mixed-prob --style-mixing",
        "--map-depth": "--map-layers",
        "--latent": "--z-dim --w-dim --latent-dim --latent-size",
        "--mbstd-group": "--mbstd",
        "--cbase, 16384 times that": "--channel-multiplier",
        "--cbase, twice the resolution times that": "--network-capacity",
        "--cbase": "--fmap-base",
        "--cmax": "--fmap-max",
        "--aug ada": "--augment",
        "--aug fixed --p": "--augment-p --aug-prob",
        "--target": "--ada-target",
        "--ada-kimg, in thousands of pictures": "--ada-length",
        "--metrics fd, which is measured now and then": "--calculate-fid-every",
        "stylegan sample": "--generate",
        "stylegan interpolate": "--generate-interpolation",
    },
}


def check_verb(verb: str) -> None:
    """Checks that this is not somebody else's name for one of our commands, or for what none of them does."""
    theirs = verb.replace("_", "-").removesuffix(".py")
    if ours := _ours(VERBS, theirs):
        raise UsageError(f"there is no command {verb!r}; use stylegan {ours}")
    if theirs in NO_VERBS.split():
        raise UsageError(f"there is no command {verb!r}, and none that does the same")


def check_first(option: str) -> None:
    """Checks that this option before any command is not what other tools have in place of commands."""
    if verb := FIRST.get(option):
        raise UsageError(f"{option} comes without a command; use stylegan {verb}")


def check_option(verb: str, option: str) -> None:
    """Checks that this is not somebody else's name for one of our options."""
    if ours := _ours(OPTIONS.get(verb, {}), option):
        raise UsageError(f"stylegan {verb} has no {option}; use {ours}")
    if option in NO_OPTIONS.get(verb, "").split():
        raise UsageError(f"stylegan {verb} has no {option}, and nothing that does the same; leave it out")


def check_network(name: str) -> None:
    """Checks that this is not NVIDIA's word for one of its files, unless there is something here of this name."""
    from stylegan_cli import store

    if name in NETWORKS and not Path(name).exists() and name not in store.models():
        raise UsageError(
            f"{name!r} is what NVIDIA's train.py calls {NETWORKS[name]}; download that file (it is among the "
            "transfer-learning-source-nets of stylegan2-ada-pytorch), and give --resume its path"
        )


def _ours(table: dict[str, str], theirs: str) -> str | None:
    return next((ours for ours, words in table.items() if theirs in words.split()), None)
