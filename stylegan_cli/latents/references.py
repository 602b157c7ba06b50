"""References: how a person is named on the command line, the same in every command.

A seed (`42`), a latent file (`jon.npy`, `projected_w.npz`, `many.npz#3`), a picture made by this tool (`sheet.png#2`),
a photo (`me.jpg`, `party.jpg#2`), or a name from the model's cast. If there is no file `jon.npy`, that means the cast's
jon. Latents are numbered from 0, as in arrays. Faces on sheets are called by their captions: `family.png#child 2`, and
in the paper's figure `mix.png#jon + dany`. If some of these are numbers (seeds), or all end in different ones (`jon,
variation 0`), numbers mean them; if not, faces are counted from 1.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest
from pathlib import Path

import torch

from stylegan_cli import recipes
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.latents import files, people
from stylegan_cli.latents.named import MAX_SEED, folded, is_file, is_folder, namesake, numbered, suggestion
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.photo import Photo, is_film
from stylegan_cli.pictures import Face, Picture, Sheet
from stylegan_cli.pillow import PICTURES

MOST = 10_000  # people in a list
LONGEST = 20  # digits of a number; Python refuses to convert thousands
NUMBERS = r"\d+(-\d+)?"
MOST_TOLD = 12  # captions in a sentence

# Which of several people is wanted, counted from 0, by their number and by the captions of those on a sheet.
Choose = Callable[[int, Sequence[str]], int]


def parse_seeds(text: str) -> list[range]:
    """`0,3,5-9` as ranges, in the order given (NVIDIA's `--seeds`). Ranges, because users ask for millions."""
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise UsageError(f"seeds are numbers and ranges like 0,3,5-9, not {part.strip() or text!r}")
        first, last = _seed(match[1]), _seed(match[2] or match[1])
        if last < first:
            raise UsageError(f"the range {first}-{last} is backwards; write {last}-{first}")
        ranges.append(range(first, last + 1))
    return ranges


def split(*texts: str) -> list[str]:
    """Comma-separated lists of references as one list, with ranges of numbers expanded: `1,jon,5-7` is 1, jon, 5, 6, 7,
    and `party.jpg#1-2,4` is party.jpg#1, party.jpg#2, party.jpg#4."""
    return _counted(chain.from_iterable(map(_listed, texts)))


def split_seeds(text: str) -> list[str]:
    """`0,3,5-9` as references."""
    return _counted(map(str, chain(*parse_seeds(text))))


def _counted(people: Iterable[str]) -> list[str]:
    found = list(islice(people, MOST + 1))
    if len(found) > MOST:
        raise UsageError(f"these are more than {MOST:,} people, which is too many at once; give fewer")
    return found


def _listed(text: str) -> Iterator[str]:
    if is_file(text):
        yield text
        return
    name, number = numbered(text)
    end = 0  # of what is not a list: names of files and captions may contain commas
    if is_file(name):
        is_whole = "," not in number or _is_caption(number, Path(name))
        end = len(text) if is_whole else text.index(",", len(name))
    parts = [part.strip() for part in (text[:end], *text[end:].split(",")) if part.strip()]
    if not parts:
        raise UsageError(f"{text!r} contains no people; give seeds, latents, pictures or names, like 3,5-9,jon")
    file = ""  # whose numbers follow
    for part in parts:
        if file and re.fullmatch(NUMBERS, part):
            part = f"{file}#{part}"
        else:
            name, number = numbered(part)
            file = name if is_file(name) and re.fullmatch(NUMBERS, number) else ""
        if (match := re.fullmatch(r"(.*#)?(\d+-\d+)", part)) and not is_file(part):
            yield from (f"{match[1] or ''}{number}" for number in parse_seeds(match[2])[0])
        else:
            yield part


def _is_caption(text: str, path: Path) -> bool:
    """Whether a face on a sheet made by this tool has this caption."""
    if not (_is_picture(path) and recipes.has_recipe(path)):
        return False
    return bool(_captioned(text, [caption for caption, _ in called_faces(recipes.read(path).picture)]))


def is_seed(text: str) -> bool:
    """Whether one reference means a seed."""
    return text.isdecimal()


def resolve(text: str, generator: Generator, psi: float, cast: Mapping[str, Path]) -> Person:
    """The one person that `text` refers to. `psi` truncates seeds; latents from files are not truncated. Raises
    UsageError if there is no such person."""
    if is_seed(text):
        return people.from_seed(generator, _seed(text), psi)
    name, number = numbered(text)
    path = find(name, cast)
    first = 1 if _is_picture(path) else 0

    def choose(count: int, captions: Sequence[str]) -> int:
        numbers = _numbers(count, captions, first)
        if not number and count > 1:
            example = next(filter(None, [*map(str, numbers), *captions]))
            raise UsageError(f"{text} contains {_people(count)}; choose one, for example {text}#{example}")
        if not number:
            return 0
        if found := _captioned(number, captions):
            if len(found) > 1 and not number.isdecimal():  # the same seed is the same face
                way = f"; count them instead, from {name}#1" if numbers else ", which does not tell them apart"
                raise UsageError(f"{len(found)} faces on {name} are captioned {number}{way}")
            return found[0]
        if number.isdecimal() and len(number) <= LONGEST and int(number) in numbers:
            return numbers.index(int(number))
        near = "" if number.isdecimal() else suggestion(number, captions)
        raise UsageError(f"there is no {text}{near}: {name} contains {_contents(count, captions, first)}")

    (person,) = from_file(path, generator, choose)
    is_alone = person.label == path.stem
    return person if is_alone else replace(person, label=f"{path.stem}#{number}")  # captions are kept: cast#arya


def _captioned(caption: str, captions: Sequence[str]) -> list[int]:
    """Which faces of a sheet have this caption; if none has, those that have it in other letters, with a plus sign, or
    with spaces around it: `Smile 1.5` is `smile +1.5`, `jon+dany` is `jon + dany`."""
    for spelled in (str, _loosely):
        if found := [i for i, other in enumerate(captions) if spelled(other) == spelled(caption)]:
            return found
    return []


def _loosely(caption: str) -> str:
    return re.sub(r"(?<!\w)\+(?=\d)", "", folded(caption)).replace(" + ", "+")


def _numbers(count: int, captions: Sequence[str], first: int) -> Sequence[int]:
    """The numbers of people: those that all captions are (seeds), or the different ones that all end in, or else their
    places; none if only some captions are numbers, which would be taken for places."""
    ends = [re.fullmatch(rf"(.*[ #])?(\d{{1,{LONGEST}}})", caption) for caption in captions]
    numbers = [int(end[2]) for end in ends if end]
    are_clear = len(set(numbers)) == len(numbers) or all(map(str.isdecimal, captions))
    if numbers and are_clear and len(numbers) == len(captions):
        return numbers
    return () if any(map(str.isdecimal, captions)) else range(first, first + count)


def _contents(count: int, captions: Sequence[str], first: int) -> str:
    """What a file contains, in words: how many people, and what they are called (of many, a few)."""
    shown = list(filter(None, captions))
    comma = "; " if any("," in caption for caption in shown) else ", "
    called = [f"numbered from {first}"] if isinstance(_numbers(count, captions, first), range) else []
    if shown:
        called.append(f"captioned {comma.join(shown[:MOST_TOLD])}" + (f"{comma}..." if len(shown) > MOST_TOLD else ""))
    return f"{_people(count)}, {' and '.join(called)}"


def photo(text: str) -> Photo | None:
    """The photo that `text` names (a picture file not made by this tool), with the face's number; else None."""
    name, _ = numbered(text)
    is_picture = _is_picture(Path(name)) and is_file(name)
    return Photo.named(text) if is_picture and not recipes.has_recipe(Path(name)) else None


def photos(texts: Sequence[str]) -> list[Photo]:
    """The photos in lists that may name only photos."""
    return [Photo.named(text) for text in split(*texts)]


def from_file(path: Path, generator: Generator, choose: Choose | None = None) -> list[Person]:
    """All people in a latent file, or in a picture made by this tool.

    If there is a `choose`, only the one whom it wants: of a million, only that one is then made.
    """
    if _is_picture(path):
        return _from_picture(path, generator, choose)
    if is_film(str(path)):
        raise UsageError(f"{path} is a film, which only stylegan edit takes, as the only person")
    if path.suffix.lower() not in files.ENDINGS + files.TORCH:
        raise UsageError(
            f"{path} is neither a latent file ({', '.join(files.ENDINGS + files.TORCH)}) nor a picture that can be "
            "read; save other formats, such as raw ones, as JPEG or PNG"
        )
    stored = files.read(path)
    if stored.origin:
        stored.origin.check_kin(generator.origin, f"{path} was saved from")
    is_other = stored.origin is not None and stored.origin.sha256 != generator.origin.sha256
    if (array := people.one_w(generator, stored.array)) is not stored.array:
        stored = replace(stored, array=array, tuned=())  # tunings are for another network's tensors
    people.check_shape(generator, stored.array, str(path))
    label, count = path.stem, stored.count
    if choose is not None:
        number = choose(count, ())
        label, stored = label if count == 1 else f"{label}#{number}", stored.only(number)
    everybody = people.from_array(generator, stored.array, label, str(path))
    if stored.noise:
        everybody = [replace(person, noise=noise) for person, noise in zip(everybody, stored.noise, strict=True)]
    if stored.tuned:
        everybody = people.with_tunings(generator, everybody, stored.tuned)
    everybody = people.with_photos(everybody, stored.about.get("photo"))
    if count != 1:
        return everybody
    one = everybody[0]
    # With another truncation, class or mapping, z would give another person.
    if stored.z is not None and not is_other and stored.about.get("truncation", {}) == people.truncation(generator):
        one = replace(one, z=people.z_from_array(generator, stored.z, str(path)), psi=stored.psi)
    return [one]


def _from_picture(path: Path, generator: Generator, choose: Choose | None) -> list[Person]:
    """Everybody in a picture made by this tool, in reading order, or the one whom `choose` wants."""
    recipe = recipes.read(path)
    recipe.origin.check_kin(generator.origin, f"{path} was made with")
    called = list(called_faces(recipe.picture))
    if not called:
        raise StyleganError(f"{path} is a heat map, which shows no person; use a picture of the person, or latents")
    captions = [caption for caption, _ in called] if len(called) > 1 else []
    numbers = _numbers(len(called), captions, 1) or range(1, len(called) + 1)  # captions are no names of files
    labels = [f"{path.stem}#{number}" for number in numbers] if captions else [path.stem]
    chosen = range(len(called)) if choose is None else [choose(len(called), captions)]
    everybody = [replace(_shown(generator, called[i][1], path), label=labels[i]) for i in chosen]
    photos = recipe.photo if isinstance(recipe.photo, list) else [recipe.photo] * len(called)
    return people.with_photos(everybody, [photos[i] for i in chosen] if len(photos) == len(called) else None)


def called_faces(picture: Picture) -> Iterator[tuple[str, Face]]:
    """The faces of a picture in reading order, with their captions in one line. In the paper's figure, where only the
    top row has captions, faces are called by their row's name and their column's caption: `jon`, `jon + dany`."""
    if not isinstance(picture, Sheet):
        if isinstance(picture, Face):
            yield picture.caption, picture
        return
    names = picture.names or ("",) * len(picture.rows)
    for name, row in zip(names, picture.rows, strict=True):
        for above, cell in zip_longest(picture.rows[0], row):
            if not isinstance(cell, Face):
                continue
            in_figure = [name, above.caption if above else ""] if name and not cell.caption else []
            yield (cell.caption or " + ".join(filter(None, in_figure))).replace("\n", ", "), cell


def _shown(generator: Generator, face: Face, path: Path) -> Person:
    """The person of a face in the picture `path`."""
    ws = people.one_w(generator, face.ws.numpy())
    people.check_shape(generator, ws, str(path))
    person = Person(path.stem, torch.from_numpy(ws).expand(generator.num_ws, -1), noise=face.noise)
    if len(ws) < len(face.ws):
        return person  # of a model with other layers, for which the face is tuned
    (person,) = people.with_tunings(generator, [person], [face.tuned])
    return person


def _is_picture(path: Path) -> bool:
    """Whether a file is a picture by its name."""
    return path.suffix.lower() in PICTURES


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def find(name: str, cast: Mapping[str, Path]) -> Path:
    """The file that `name` refers to: itself, or the file of the cast's member of that name, in any case. Raises
    UsageError if there is none."""
    path = Path(name)
    if is_file(name):
        return path
    bare = path.name == name and path.suffix in ("", ".npy")
    for member in (path.stem, path.stem.lower()):
        if bare and member in cast:
            return cast[member]
    if name and is_folder(name):
        raise UsageError(f"{name} is a folder, but people are named one by one; give the files in it")
    if name and is_file(saved := f"{name}.npz"):
        raise UsageError(f"unknown person {name!r}: there is no such file; did you mean {saved}?")
    if there := namesake(path):
        raise UsageError(f"unknown person {name!r}: there is no such file{there}")
    if "," in name:
        raise UsageError(f"{name!r} names several people, but here is room for one")
    if "://" in name:
        raise UsageError(f"people are files on this machine; fetch {name} first, and name the file")
    if name and (longer := sorted(glob.glob(f"{glob.escape(name)} *"))):  # noqa: PTH207 (a path has no absolute patterns)
        raise UsageError(f"unknown person {name!r}; if you mean {longer[0]!r}, put its name in quotes")
    known = f", and the model's cast is {', '.join(cast)}" if cast else ", and this model has no cast"
    raise UsageError(f"unknown person {name!r}{suggestion(name, cast)}: there is no such file{known}")


def _seed(digits: str) -> int:
    if len(digits) > LONGEST or int(digits) > MAX_SEED:
        shown = digits if len(digits) <= LONGEST else f"{digits[:LONGEST]}..."
        raise UsageError(f"the seed {shown} is too large; seeds go from 0 to {MAX_SEED}")
    return int(digits)
