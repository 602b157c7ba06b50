"""README, docs, model cards and help tell the truth: commands exist and parse, pictures are there, none is missing."""

import re
import shlex
from itertools import chain
from pathlib import Path

import pytest
from command_tree import TOP, below, options_of

from stylegan_cli.cli import foreign
from stylegan_cli.cli.spellings import spelled
from stylegan_cli.training import asked

ROOT = Path(__file__).parents[1]
PATHS = [ROOT / "README.md", *map((ROOT / "docs").joinpath, ("coming-from.md", "editing.md", "training.md"))]
PATHS += sorted(ROOT.glob("models/*/README.md"))
README, COMING, EDITING, TRAINING, *CARDS = PAGES = [path.read_text(encoding="utf-8") for path in PATHS]


def words_of(line):
    """What follows `stylegan`, without a comment."""
    program, *words = shlex.split(re.sub(r"(^| )#.*", "", line))  # shlex takes the # in a.jpg#2 for a comment's, too
    assert program == "stylegan"
    return words


def command_of(words):
    """The command that `words` begin with, and the rest of them."""
    group = TOP
    while words and words[0] in getattr(group, "commands", {}):
        group, words = group.commands[words[0]], words[1:]
    return group, words


COMMANDS = {" ".join(words): command for words, command in below(TOP) if not hasattr(command, "commands")}


def lines_of(page):
    """The command lines in a page's blocks."""
    page = re.sub(r" *\\\n {8}(?=-)", " ", page)  # one line on two
    page = re.sub(r"^    torchrun .* -m stylegan_cli ", "stylegan ", page, flags=re.MULTILINE)
    return re.findall(r"^(?:    )?(stylegan .*)", page, re.MULTILINE)


def mentions_in(page):
    """The command lines within its text, but for mere names of commands, which lack what these need."""
    mentions = [" ".join(mention.split()) for mention in re.findall(r"`(stylegan\s[^`]+)`", page)]
    return [mention for mention in mentions if command_of(words_of(mention))[1]]


def examples_of(command):
    """Those at the end of its help."""
    return re.findall(r"^(stylegan .*)$", command.help.partition("Example")[2], re.MULTILINE)


BLOCKS = [line for page in PAGES for line in lines_of(page)]
MENTIONS = [line for page in PAGES for line in mentions_in(page)]
EXAMPLES = {name: examples_of(command) for name, command in COMMANDS.items()}
OURS = re.findall(r"^\| `.*?` \| (.*) \|$", COMING.partition("## NVIDIA")[0], re.MULTILINE)


@pytest.mark.parametrize("line", sorted({*BLOCKS, *MENTIONS, *chain(*EXAMPLES.values())}))
def test_every_command_parses(line, here):
    words = spelled(words_of(line))
    for word in (re.sub(r"\.(jpg|png)#.*", r".\1", word) for word in words):
        if word.endswith((".pkl", ".png", ".jpg", ".toml", ".zip", ".npy", ".safetensors", ".mp3", ".wav")):
            Path(word).parent.mkdir(exist_ok=True)
            Path(word).touch()
    Path("run").mkdir(exist_ok=True)
    Path("run", asked.FILE).write_text(asked.dumps({"data": Path("faces.zip")}))  # a run that lines go on with
    command, arguments = command_of(words)
    assert not hasattr(command, "commands"), f"{line} names no command"
    command.make_context(command.name, list(arguments))


def test_no_line_writes_what_another_one_wrote():
    """Nothing is replaced without --force; runs go on. Lines of the README are repeated on its other pages."""
    lines = {line.split("  ")[0] for page in (README, EDITING, TRAINING) for line in lines_of(page)}
    written = re.findall(
        r"^stylegan (?!train --outdir run ).*? (?:-o|--out|--outdir|--dataset) (\S+)", "\n".join(lines), re.MULTILINE
    )
    assert len(written) > 25 and len(written) == len(set(written)), sorted(written)


def test_examples_are_found():
    """Or the test above would not see them."""
    assert all(map(lines_of, PAGES))
    assert all(map(mentions_in, [README, *CARDS]))
    assert {name for name in COMMANDS if EXAMPLES[name]} == {n for n, one in COMMANDS.items() if "Example" in one.help}
    assert len(OURS) == 14


@pytest.mark.parametrize("line", [line for cell in OURS for line in re.findall("`(.*?)`", cell)])
def test_what_is_ours_exists(line):
    command, words = command_of(line.split())
    assert command.name in line.split()
    assert set(words) <= options_of(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page[:20])
def test_every_option_is_somebodys(page):
    ours = {name for command in [TOP, *COMMANDS.values()] for name in options_of(command)}
    theirs = {name for names in foreign.OPTIONS.values() for words in names.values() for name in words.split()}
    assert set(re.findall(r"`(--[\w-]+)", page)) <= ours | theirs | {"--help"}


def test_every_command_is_told():
    top = TOP.commands
    told = {command_of(words_of(line))[0].name for line in lines_of(README)} | set(re.findall(r"`([\w-]+)`", README))
    told |= {name for heading in re.findall("^### (.*)$", README, re.MULTILINE) for name in heading.split(", ")}
    assert {*top, *top["models"].commands} <= told | {"models"}


def headings_of(path):
    """As links name them."""
    titles = re.findall("^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    links = re.findall(r"\]\(([\w.#][^)\s]*)\)|src=\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    assert links or path.parent.name != ROOT.name
    for link in map("".join, links):
        if not link.startswith("http"):
            target, _, heading = link.partition("#")
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), link
            assert not heading or heading in headings_of(there), link
