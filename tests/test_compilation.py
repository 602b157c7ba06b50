"""Compiled synthesis: checked before it is used, and used where it pays."""

import json
import logging
import os
import subprocess
import sys
import warnings
from functools import partial
from itertools import count

import pytest
import small_families
import torch
from tiny_generator import make_tiny

from stylegan_cli import compilation
from stylegan_cli.compilation import Verdict
from stylegan_cli.errors import StyleganError
from stylegan_cli.noise import Noise
from stylegan_cli.ops import convolution
from stylegan_cli.psnr import psnr


@pytest.fixture
def tiny():
    """One that a test may change."""
    return make_tiny()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    return tmp_path


def draws(monkeypatch, picture):
    """torch.compile stands for a compiler that makes code which draws `picture(eager picture)`."""
    monkeypatch.setattr(torch, "compile", lambda eager, **_: lambda ws: picture(eager(ws)))


def test_the_same_picture_is_taken(tiny, cache, monkeypatch):
    eager = tiny.synthesize
    draws(monkeypatch, lambda image: image + 1e-4)
    compilation.compile_synthesis(tiny)
    ws = tiny.broadcast(torch.randn(3, tiny.w_dim))
    with torch.inference_mode():
        assert torch.equal(tiny.synthesize(ws), eager(ws) + 1e-4)
        assert torch.equal(tiny.synthesize(ws, Noise("const", seed=7)), tiny.synthesize(ws))
        # Other noise is not what was compiled.
        assert torch.equal(tiny.synthesize(ws, Noise("none")), eager(ws, Noise("none")))


@pytest.mark.parametrize("wrong", [lambda image: image * torch.nan, lambda image: -image])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_another_picture_is_refused(tiny, cache, monkeypatch, wrong, call):
    """Whenever it comes: CUDA's graphs are recorded by the second call, and replayed from the third on."""
    calls = count(1)
    draws(monkeypatch, lambda image: wrong(image) if next(calls) == call else image)
    with pytest.raises(StyleganError, match="draws a different picture"):
        compilation.compile_synthesis(tiny)
    assert "synthesize" not in vars(tiny)


def test_what_draws_its_first_picture_again_is_refused(tiny, cache, monkeypatch):
    """As a graph does whose inputs are forgotten."""
    kept = []

    def first(image):
        kept.append(image)
        return kept[0]

    draws(monkeypatch, first)
    with pytest.raises(StyleganError, match="draws a different picture"):
        compilation.compile_synthesis(tiny)


def test_compilers_warn_nobody(tiny, cache, monkeypatch, recwarn, caplog):
    def warns(image):
        warnings.warn(
            "TensorFloat32 tensor cores for float32 matrix multiplication available but not enabled", stacklevel=1
        )
        logging.getLogger("torch.utils.cpp_extension").warning("No CUDA runtime is found")
        return image

    draws(monkeypatch, warns)
    compilation.compile_synthesis(tiny)
    assert not recwarn and not caplog.records
    logging.getLogger("torch.distributed").warning("others are heard")
    assert caplog.records


def test_who_wants_no_logs_gets_none_after_compiling(tiny, cache, monkeypatch):
    draws(monkeypatch, lambda image: image)
    logging.disable(logging.ERROR)
    try:
        compilation.compile_synthesis(tiny)
        assert logging.root.manager.disable == logging.ERROR
    finally:
        logging.disable(logging.NOTSET)


def test_a_python_that_the_compiler_does_not_know(tiny, cache, monkeypatch):
    """torch.compile itself says so, before anything is drawn; it is not tried again."""
    eager = tiny.synthesize

    def refuse(*_, **__):
        raise RuntimeError("torch.compile is not supported on Python 3.15+")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(StyleganError, match=r"cannot compile \w+ \(torch.compile is not supported on Python 3.15\+\)"):
        compilation.judge(tiny, "fp32")
    assert compilation.verdict(tiny, "fp32") == compilation.NEVER and tiny.synthesize == eager


@pytest.mark.parametrize("call", [1, 2, 3])
def test_no_compiler(tiny, cache, monkeypatch, call):
    """Or one that fails later, as CUDA's graphs may."""
    calls = count(1)

    def fails(image):
        if next(calls) == call:
            raise RuntimeError("No working C++ compiler found.\nMore of it")
        return image

    draws(monkeypatch, fails)
    with pytest.raises(StyleganError, match=r"cannot compile \w+ \(No working C\+\+ compiler found\)"):
        compilation.compile_synthesis(tiny)


@pytest.mark.parametrize(
    ("said", "is_tried_again"),
    [("CUDA out of memory. Tried to allocate 2 GiB", True), ("No working C++ compiler found.", False)],
)
def test_what_failed_for_want_of_memory_is_tried_again(tiny, cache, monkeypatch, said, is_tried_again):
    def fails(_image):
        raise RuntimeError(said)

    draws(monkeypatch, fails)
    with pytest.raises(StyleganError, match="cannot compile"):
        compilation.judge(tiny, "fp32")
    assert (compilation.verdict(tiny, "fp32") is None) == is_tried_again


def test_verdicts_are_kept_by_model_and_precision(tiny, cache):
    assert compilation.verdict(tiny, "fp32") is None
    found = Verdict(0.2, 0.1, 5.0), Verdict(0.2, 0.19, 5.0)
    for precision, one in zip(("fp32", "bf16"), found, strict=True):
        compilation.keep_verdict(tiny, precision, one)
    assert tuple(compilation.verdict(tiny, precision) for precision in ("fp32", "bf16")) == found


@pytest.mark.parametrize(
    ("verdict", "faces", "pays"),
    [
        (Verdict(0.07, 0.05, 8.0), 399, False),  # the code is loaded for longer than it saves
        (Verdict(0.07, 0.05, 8.0), 401, True),
        (Verdict(0.07, 0.065, 0.0), 10**6, False),  # another code path for a few per cent
        (Verdict(0.05, 0.07, 0.0), 10**6, False),
        (compilation.NEVER, 10**6, False),
    ],
)
def test_what_pays(verdict, faces, pays):
    assert verdict.pays(faces) == pays


def test_both_are_measured_in_turns(tiny):
    """What slows the machine for a while slows both."""
    called = []
    compilation._in_turns(tiny, [lambda _ws: called.append("eager"), lambda _ws: called.append("compiled")], 1, 0.0)
    assert called == ["eager", "compiled"] * (compilation.WARM_UP + compilation.FEWEST)


def test_a_judgement_is_kept(tiny, cache, monkeypatch):
    monkeypatch.setattr(compilation, "GLANCE", 0.0)
    monkeypatch.setattr(compilation, "_import_compiler", lambda: 0.0)
    draws(monkeypatch, lambda image: image)
    found = compilation.judge(tiny, "fp32")
    assert found == compilation.verdict(tiny, "fp32")
    assert min(found.eager, found.compiled, found.ready) > 0
    assert "synthesize" in vars(tiny)  # it stays compiled


@pytest.mark.parametrize("entry", ["fast", [0.2, 0.1], {}, {"eager": 0.2}, {"eager": 0.2, "compiled": 0.1}])
def test_a_damaged_verdict_is_none(tiny, cache, entry):
    compilation.keep_verdict(tiny, "fp32", Verdict(0.2, 0.1, 5.0))
    file = cache / "compiled/verdicts.json"
    file.write_text(json.dumps(dict.fromkeys(json.loads(file.read_text()), entry)))
    assert compilation.verdict(tiny, "fp32") is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", "[" * 100_000], ids=range(5))
def test_verdicts_that_cannot_be_read_are_none(tiny, cache, text):
    (cache / "compiled").mkdir()
    (cache / "compiled/verdicts.json").write_text(text)
    assert compilation.verdict(tiny, "fp32") is None
    compilation.keep_verdict(tiny, "fp32", found := Verdict(0.2, 0.1, 5.0))
    assert compilation.verdict(tiny, "fp32") == found


def test_a_model_of_classes_is_measured_without_choosing_one():
    """People from files need none."""
    generator = small_families.make("stylegan2", c_dim=3).prepare(torch.device("cpu"), torch.float32)
    assert compilation.seconds_a_picture(generator, 2, 0) > 0


def test_compilers_follow_what_depends_on_the_machine(cache, monkeypatch):
    """Whether convolutions are computed in phases is asked once, while compiling."""
    compile_whole = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", lambda eager, **_: compile_whole(eager))
    for limit in ("PIXELS", "CHANNELS"):
        monkeypatch.setattr(convolution, limit, 1)
    generator = small_families.make("stylegan2").prepare(torch.device("cpu"), torch.bfloat16)
    compilation.compile_synthesis(generator)
    assert generator.synthesize(generator.broadcast(torch.randn(1, generator.w_dim))).isfinite().all()


@pytest.mark.slow
def test_a_real_compiler_draws_the_same(cache, monkeypatch):
    """Of a network with two blocks: the code of all others is the same, and takes its time to compile."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    tiny = make_tiny(doublings=2)
    eager = tiny.synthesize
    compilation.compile_synthesis(tiny)
    ws = tiny.broadcast(torch.randn(2, tiny.w_dim))
    with torch.inference_mode():
        assert psnr(tiny.synthesize(ws), eager(ws)) > compilation.CLOSE_ENOUGH


def test_compiled_code_goes_into_our_cache(tmp_path):
    """Measured code, too: the compiler chooses its place when it is imported."""
    asked = (
        "from stylegan_cli import compilation; compilation._import_compiler();"
        "from torch._inductor.runtime.cache_dir_utils import cache_dir; print(cache_dir())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    found = subprocess.run(
        [sys.executable, "-c", asked],
        env=environment | {"STYLEGAN_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(tmp_path / "compiled")
