"""The command line as Typer will see it. Other spellings are changed into ours, here and nowhere else: underscores,
NVIDIA's names and values, and `~` where shells do not expand it (`--outdir=~/x`, quotes, Windows)."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from stylegan_cli.cli import foreign
from stylegan_cli.errors import UsageError


def _switch(yes: str, no: str) -> dict[str, str]:
    """An option that takes yes or no in other tools."""
    return dict.fromkeys(("1", "true", "yes", "on"), yes) | dict.fromkeys(("0", "false", "no", "off"), no)


# Names of options in other tools; but what is a model's name elsewhere is what `train` resumes.
RENAMED = dict.fromkeys(("--truncation", "--truncation-psi", "--trunc-psi"), "--psi")
RENAMED |= dict.fromkeys(("--truncation-cutoff", "--trunc-cutoff"), "--cutoff")
RENAMED |= dict.fromkeys(("--network-pkl", "--pkl", "--ckpt"), "--model")
# Options, possibly of one command only, with a value, and our form of them; "" drops what is the default anyway.
SAME = {
    "--method": {"slerp": "--method=spherical", "lerp": "--method=linear"},
    "train --mirror": _switch("--mirror", "--no-mirror"),
    "train --cond": _switch("--cond", "--no-cond"),
    "train --fp32": _switch("--precision=fp32", ""),
    "train --aug": {"noaug": "--aug=none"},
    "train --cfg": {"auto": ""},
    "train --gamma": {"auto": ""},
    "train --metrics": {"none": "--metrics=none"},
    "train --resume": {"noresume": ""},
    "project --save-video": _switch("--save-video", ""),
}
# Options of other tools with a value that does not change the result: dropped here.
IDLE = {f"train {option}" for option in ("--workers", "--num-workers", "--desc", "--nobench", "--nhwc", "--allow-tf32")}
IDLE |= {"metrics --gpus", "metrics --verbose"}
# Options whose value is an argument here.
ARGUMENTS = {"project --target", "dataset --source"}
# Other options whose value is looked at.
LOOKED_AT = ("--outdir", "--seeds")


def spelled(words: Sequence[str]) -> list[str]:
    """The words after `stylegan` in our spelling. Raises `UsageError` for what has a different name here."""
    rest, ours = deque(map(_home, words)), list[str]()
    while rest and rest[0].startswith("-"):
        foreign.check_first(rest[0].partition("=")[0].replace("_", "-"))
        ours.append(rest.popleft())
    if not rest:
        return ours
    verb = rest.popleft()
    if verb.removesuffix(".py") == "generate" and rest:  # stylegan3-fun's has commands of its own
        foreign.check_verb(rest[0])
    foreign.check_verb(verb)
    verb = verb.replace("_", "-")
    ours.append(verb)
    while rest and rest[0] != "--":
        word = rest.popleft()
        _check_dashes(word)
        ours += _option(verb, word, rest) if word.startswith("--") else [word]
    return ours + list(rest)


def _check_dashes(word: str) -> None:
    """Checks that long names have two dashes: Typer would take each of their letters for an option. (Behind -n,
    -o and -q, they can be a value or other options.)"""
    if re.fullmatch(r"-(?![noq])[a-z][a-z-]+(=.*)?", word):
        raise UsageError(f"there is no option {word}; if you mean -{word}, it has two dashes")


def _home(word: str) -> str:
    """With `~` at the beginning expanded."""
    return os.path.expanduser(word)  # noqa: PTH111 (a path would lose a slash at its end, and one of https://)


def _option(verb: str, word: str, rest: deque[str]) -> list[str]:
    """An option in our spelling. If the value is the next word, and matters, it is taken from the `rest`."""
    name, equals, value = word.partition("=")
    name = name.replace("_", "-")
    name = name if verb == "train" else RENAMED.get(name, name)
    what = f"{verb} {name}"
    same = SAME.get(what) or SAME.get(name, {})
    following = rest[0] if rest and not rest[0].startswith("-") else ""
    takes_next = name in LOOKED_AT or what in IDLE | ARGUMENTS
    if not equals and following and (takes_next or following.lower() in same):
        equals, value = "=", rest.popleft()
    value = _home(value)
    if what in IDLE:
        return []
    if what in ARGUMENTS and equals:
        return [value]
    if name == "--seeds" and (more := list(takewhile(re.compile(r"\d[\d,-]*").fullmatch, rest))):
        seeds = ",".join(part.strip(",") for part in (value, *more))
        raise UsageError(f"--seeds takes one list with commas: {seeds}")
    if name == "--outdir" and value:
        value = os.path.join(value, "")  # noqa: PTH118 (the slash at its end says that it is a folder)
    ours = same.get(value.lower(), name + equals + value) if equals else name
    foreign.check_option(verb, ours.partition("=")[0])
    return [ours] if ours else []
