"""`stylegan bench`, and what other commands make of what it found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import pixels
from PIL import Image

from stylegan_cli import compilation, recipes, store
from stylegan_cli.compilation import Verdict
from stylegan_cli.errors import StyleganError
from stylegan_cli.hardware import native_precisions
from stylegan_cli.media import encode

QUICK = ("--seconds", 0, "--batch", "1,3", "--precision", "fp32,bf16")


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """torch.compile stands for a compiler whose code draws a little differently; the cache is empty."""
    monkeypatch.setattr(torch, "compile", lambda eager, **_: lambda ws: eager(ws) + 0.02)
    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(compilation, "_import_compiler", lambda: 0.0)


@pytest.fixture
def broken_compiler(compiler, monkeypatch):
    """One whose code fails; the calls of it."""
    calls = []

    def fails(ws):
        calls.append(ws)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda _eager, **_: fails)
    return calls


def test_a_table(stylegan, tiny_model):
    result = stylegan("bench", *QUICK, "--model", tiny_model)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["model", "pixels", "precision", "batch", "compiled", "pictures/s", "s/picture", "dB"]
    assert [line.split()[2:5] for line in lines[1:5]] == [
        [precision, batch, "no"] for precision in ("fp32", "bf16") for batch in ("1", "3")
    ]
    assert "threads" in lines[5]


def test_json(stylegan, tiny_model, compiler):
    result = stylegan("bench", *QUICK, "--model", tiny_model, "--compile", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["machine"]["torch"] == torch.__version__
    figures = found["figures"]
    assert [(one["precision"], one["batch"], one["compiled"]) for one in figures] == [
        (precision, batch, compiled) for precision in ("fp32", "bf16") for compiled in (False, True) for batch in (1, 3)
    ]
    assert all(one["pictures_per_second"] == pytest.approx(1 / one["seconds"]) for one in figures)
    assert figures[0]["psnr"] is None and 30 < figures[2]["psnr"] < 70
    assert all(compilation.verdict(store.load(str(tiny_model)), precision) for precision in ("fp32", "bf16"))


@pytest.mark.parametrize(("has_it", "found"), [(True, ["fp32", "fp16", "bf16"]), (False, ["fp32", "fp16"])])
def test_gpus_are_not_measured_in_what_they_emulate(monkeypatch, has_it, found):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_it or including_emulation)
    assert native_precisions(torch.device("cuda")) == found


def test_a_misspelt_model_is_told_before_the_first_is_measured(stylegan, tiny_model, monkeypatch):
    monkeypatch.setattr(compilation, "seconds_a_picture", None)
    result = stylegan("bench", *QUICK, "--model", f"{tiny_model},nobody")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "unknown model 'nobody'" in result.stderr


def test_a_stop_loses_no_figures(stylegan, tiny_model, monkeypatch):
    measured = iter([0.5, 0.5])

    def seconds(*_):
        if (taken := next(measured, None)) is None:
            raise KeyboardInterrupt
        return taken

    monkeypatch.setattr(compilation, "seconds_a_picture", seconds)
    result = stylegan("bench", *QUICK, "--model", tiny_model, "--json")
    assert result.exit_code == 130
    assert [one["batch"] for one in json.loads(result.stdout)["figures"]] == [1, 3]


def test_long_names_are_whole_in_the_table(stylegan, tiny_model, here):
    name = "a-model-of-a-name-that-is-longer-than-a-narrow-column-is-wide"
    path = here / f"{name}.safetensors"
    path.write_bytes(tiny_model.read_bytes())
    table = stylegan("bench", "--seconds", 0, "--batch", 1, "--precision", "fp32", "--model", path).stdout
    assert name in "".join(line.split()[0] for line in table.splitlines()[1:])


def test_a_picture_of_not_a_number_does_not_pass_for_the_same(stylegan, tiny_model, monkeypatch):
    monkeypatch.setattr("stylegan_cli.psnr.psnr", lambda *_: float("nan"))
    result = stylegan("bench", *QUICK, "--model", tiny_model, "--json")
    assert [one["psnr"] for one in json.loads(result.stdout)["figures"]] == [0.0] * 4


def test_no_compiler(stylegan, tiny_model, broken_compiler):
    result = stylegan("bench", "--seconds", 0, "--batch", 1, "--precision", "fp32", "--compile", "--model", tiny_model)
    assert result.exit_code == 0
    assert "Not compiled: this machine cannot compile" in " ".join(result.stderr.split())
    assert compilation.verdict(store.load(str(tiny_model)), "fp32") == compilation.NEVER


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--batch", "0"], "--batch takes whole numbers from 1 on, with commas, like 1,4, not '0'"),
        (["--batch", "many"], "--batch takes whole numbers"),
        (["--precision", "fp8"], "there is no precision 'fp8'"),
        (["--model", "nobody"], "unknown model 'nobody'"),
    ],
)
def test_what_cannot_be_measured(stylegan, words, sentence):
    result = stylegan("bench", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def made_compiled(tiny_stylegan, count, *words):
    first, *_ = tiny_stylegan("sample", "-n", count, "--out", "faces", "--force", *words)
    return recipes.read(first).compiled


def test_many_faces_are_compiled_where_that_was_faster(tiny_stylegan, tiny_model, compiler, monkeypatch):
    monkeypatch.setattr(compilation, "FROM_FACES", 3)
    assert not made_compiled(tiny_stylegan, 3)
    generator = store.load(str(tiny_model))
    compilation.keep_verdict(generator, "fp32", Verdict(eager=1.0, compiled=0.5, ready=1.4))
    fp32 = ("--precision", "fp32")
    assert made_compiled(tiny_stylegan, 3, *fp32)
    assert not made_compiled(tiny_stylegan, 2, *fp32)
    assert not made_compiled(tiny_stylegan, 3, *fp32, "--compile", "off")
    compilation.keep_verdict(generator, "fp32", Verdict(eager=1.0, compiled=0.5, ready=1.6))
    assert not made_compiled(tiny_stylegan, 3, *fp32)
    compilation.keep_verdict(generator, "fp32", Verdict(eager=1.0, compiled=1.5, ready=0.0))
    assert not made_compiled(tiny_stylegan, 3, *fp32)
    assert made_compiled(tiny_stylegan, 2, *fp32, "--compile", "on")


@pytest.mark.parametrize("pays", [True, False])
def test_minutes_of_drawing_are_reason_enough_to_find_out(tiny_stylegan, tiny_model, compiler, monkeypatch, pays):
    seconds = iter([0.5, 1.0])
    monkeypatch.setattr(compilation, "seconds_a_picture", lambda *_: next(seconds))
    monkeypatch.setattr(compilation, "_in_turns", lambda *_: [1.0, 0.5 if pays else 1.5])
    monkeypatch.setattr(compilation, "FROM_FACES", 2)
    monkeypatch.setattr(compilation, "UNKNOWN_FROM_FACES", 4)
    monkeypatch.setattr(compilation, "UNKNOWN_FROM_SECONDS", 3.0)
    fp32 = ("--precision", "fp32")
    eager, *_ = tiny_stylegan("sample", "-n", 2, "--compile", "off", "--out", "eager", *fp32)
    assert not made_compiled(tiny_stylegan, 3, *fp32)
    assert not made_compiled(tiny_stylegan, 4, *fp32)  # two seconds
    assert made_compiled(tiny_stylegan, 4, *fp32) == pays
    assert compilation.verdict(store.load(str(tiny_model)), "fp32").pays(4) == pays
    # What was found is known from now on.
    assert made_compiled(tiny_stylegan, 3, *fp32) == pays
    assert np.array_equal(pixels(eager), pixels(f"faces/{eager.name}")) == (not pays)


def test_a_failed_compiler_is_not_asked_again(tiny_stylegan, broken_compiler, monkeypatch):
    monkeypatch.setattr(compilation, "FROM_FACES", 2)
    monkeypatch.setattr(compilation, "UNKNOWN_FROM_FACES", 4)
    monkeypatch.setattr(compilation, "UNKNOWN_FROM_SECONDS", 0.0)
    for _ in range(2):
        assert not made_compiled(tiny_stylegan, 4)
    assert len(broken_compiler) == 1


def test_a_compiler_that_fails_later_is_not_asked_again(tiny_stylegan, tiny_model, broken_compiler, monkeypatch):
    monkeypatch.setattr(compilation, "FROM_FACES", 2)
    compilation.keep_verdict(store.load(str(tiny_model)), "fp32", Verdict(eager=1.0, compiled=0.5, ready=0.0))
    for _ in range(2):
        assert not made_compiled(tiny_stylegan, 4, "--precision", "fp32")
    assert len(broken_compiler) == 1


def test_a_cache_that_cannot_be_written_changes_nothing(tiny_stylegan, compiler, monkeypatch):
    """What was compiled is told as compiled, whether or not the measurement can be kept."""

    def full(*_):
        raise StyleganError("no space is left")

    monkeypatch.setattr(compilation, "write_bytes", full)
    monkeypatch.setattr(compilation, "_in_turns", lambda *_: [1.0, 0.5])
    monkeypatch.setattr(compilation, "seconds_a_picture", lambda *_: 1.0)
    for name, value in (("FROM_FACES", 2), ("UNKNOWN_FROM_FACES", 2), ("UNKNOWN_FROM_SECONDS", 0.0)):
        monkeypatch.setattr(compilation, name, value)
    eager, *_ = tiny_stylegan("sample", "-n", 2, "--compile", "off", "--out", "eager")
    assert made_compiled(tiny_stylegan, 2)
    assert not np.array_equal(pixels(eager), pixels(f"faces/{eager.name}"))


def test_a_compiled_picture_is_replayed_compiled(tiny_stylegan, compiler, here):
    (picture,) = tiny_stylegan("sample", "--compile", "on")
    (again,) = tiny_stylegan("replay", picture, "--out", "again.png")
    (plain,) = tiny_stylegan("sample", "--out", "plain.png")
    assert again.read_bytes() == picture.read_bytes()
    assert not recipes.read(plain).compiled


def test_a_recipe_says_how_the_picture_was_made_this_time(stylegan, tiny_stylegan, tiny_model, compiler, monkeypatch):
    """On another device, without a compiler: else its bytes would be expected from where it was made first."""
    (picture,) = tiny_stylegan("sample", "--compile", "on")
    foreign = replace(recipes.read(picture), device="cuda")
    encoded = encode.encode(Image.open(picture), "png", recipes.dumps(foreign))
    picture.write_bytes(encoded)

    def refuse(*_):
        raise StyleganError("this machine cannot compile it")

    monkeypatch.setattr(compilation, "compile_synthesis", refuse)
    result = stylegan("replay", picture, "--out", "again.png", "--model", tiny_model)
    assert result.exit_code == 0 and "Drawing without compiled code" in result.stderr
    again = recipes.read(Path("again.png"))
    assert (again.device, again.compiled) == ("cpu", False)


def test_without_a_compiler_faces_are_drawn_all_the_same(stylegan, tiny_model, broken_compiler):
    result = stylegan("sample", "--compile", "on", "--model", tiny_model)
    assert result.exit_code == 0
    assert "Drawing without compiled code: this machine cannot compile" in " ".join(result.stderr.split())
