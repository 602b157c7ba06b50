"""Help: every command has it, it says what it should, and it answers without heavy imports."""

import re
import subprocess
import sys

import pytest
from command_tree import TOP, below

from stylegan_cli import __version__

COMMANDS = dict(below(TOP))
PICTURES = ["sample", "mix", "noise", "interpolate", "blend-parents", "replay"]


@pytest.fixture
def help_of(stylegan, monkeypatch):
    """The help screen as one line of words, without frames."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*words):
        result = stylegan(*words, "--help")
        assert (result.exit_code, result.stderr) == (0, "")
        return " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stdout).split())

    return run


def test_all_commands_are_listed_and_persons_explained(help_of):
    text = help_of()
    assert all(f" {words[0]} " in text for words in COMMANDS)
    assert "A PERSON is a seed (42), latents (jon.npy" in text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_word_of_the_help_is_shown(help_of, words):
    """Brackets are no markup, in no docstring and in no option's help."""
    command, text = COMMANDS[words], help_of(*words)
    assert command.help
    said = [command.help, *(option.help for option in command.params if not getattr(option, "hidden", False))]
    for written in filter(None, said):
        assert " ".join(written.replace("\\[", "[").split()) in text


@pytest.mark.parametrize(
    "usage",
    [
        "paste [OPTIONS] PERSON... PHOTO Put",
        "dataset [OPTIONS] SOURCE Make",
        "train [--data DATA] --outdir RUN [OPTIONS] Train",
    ],
)
def test_usage_lines_read_as_they_are_typed(help_of, usage):
    assert usage in re.sub("[{}]", "", help_of(usage.split()[0]))


def test_what_paste_never_does_is_not_offered(help_of):
    assert "--size" in help_of("edit")
    assert "--size" not in help_of("paste")


def test_shapes_survive_the_markup(help_of):
    assert "--latents takes [w_dim], [num_ws, w_dim] or [n, num_ws, w_dim] and renders" in help_of("sample")


def test_a_number_is_a_seed_and_not_a_count(help_of):
    text = help_of("sample")
    assert text.count("50 is the face of seed 50") == 2 and text.lower().count("for 50 faces use --count 50") == 2


@pytest.mark.parametrize("name", PICTURES)
def test_the_shared_options(help_of, name):
    text = help_of(name)
    for option in ("--out", "--size", "--format", "--force", "--show", "--quiet", "--model"):
        assert option in text
    if name != "replay":
        for option in ("--psi", "--trunc", "--precision", "--device", "--save-latents"):
            assert option in text
    assert ("--grid" in text) == (name in ("sample", "noise", "blend-parents", "interpolate"))


def test_mix_says_who_fills_the_bands_not_given(help_of):
    assert "Bands that you leave out come from the coarsest person you name" in help_of("mix")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_model_and_the_output_come_last(words):
    panels = [*dict.fromkeys(getattr(option, "rich_help_panel", None) for option in COMMANDS[words].params)]
    last = [panel for panel in ("Model", "Output") if panel in panels]
    assert panels[len(panels) - len(last) :] == last


def test_no_arguments_mean_help(stylegan):
    result = stylegan()
    assert "Usage: " in result.output
    assert "blend-parents" in result.output


def test_version(stylegan):
    assert stylegan("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["mix", "--help"], ["--version"], ["models", "list"], ["models", "path"]]
)
def test_answers_without_heavy_imports(words):
    code = f"""
import sys
from stylegan_cli.cli.app import app
sys.argv = ["stylegan", *{words!r}]
try:
    app()
finally:
    sys.stderr.write(",".join({{"torch", "numpy", "PIL", "imageio_ffmpeg"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout
    assert result.stderr == ""


def test_python_m_is_the_same():
    result = subprocess.run([sys.executable, "-m", "stylegan_cli", "--version"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sample", "png, webp or jpg; by default from --out, or png"),
        ("interpolate", "mp4, webm, gif or webp; png or jpg for frames"),
        ("replay", "or the picture's own"),
    ],
)
def test_formats_are_told_as_they_are(help_of, name, said):
    assert said in help_of(name)
