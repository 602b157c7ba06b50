"""Every command with the real default model, in an empty folder, as a user would type it."""

import re

import imageio_ffmpeg
import numpy as np
import pytest
from looking import pixels

from stylegan_cli import recipes, store
from stylegan_cli.folders import data_folder

pytestmark = pytest.mark.usefixtures("ffhq")


@pytest.fixture
def works(stylegan):
    """Runs a command that must end well; returns stdout's lines."""

    def run(line):
        result = stylegan(*line.split())
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout.splitlines()

    return run


def looks_like_a_face(image):
    """Not flat, not noise, and smooth from pixel to pixel."""
    image = image.astype(float)
    return image.std() > 20 and np.abs(np.diff(image, axis=0)).mean() < image.std() / 4


def test_mix(works, here):
    assert works("mix --coarse 1 --fine 2") == ["mix.png"]
    assert pixels("mix.png").shape == (1024, 1024, 3)
    assert looks_like_a_face(pixels("mix.png"))
    assert works("replay mix.png") == ["mix-replay.png"]
    assert (here / "mix-replay.png").read_bytes() == (here / "mix.png").read_bytes()
    shown = "\n".join(works("show mix.png"))
    assert "stylegan mix --coarse 1 --fine 2" in shown
    assert "ffhq (sha256 1c2300bad367" in shown


def test_mix_of_parts(works):
    """42 has glasses, and Tyrion gets them; his hair and mouth stay."""
    assert works("mix tyrion --eyes 42") == ["mix.png"]
    works("sample tyrion --out tyrion.png")
    before, after = pixels("tyrion.png").astype(float), pixels("mix.png").astype(float)
    eyes = slice(400, 560), slice(230, 800)  # the frames of the glasses are dark
    assert (after[eyes].mean(axis=2) < 70).mean() > 1.5 * (before[eyes].mean(axis=2) < 70).mean()
    assert np.abs(after - before)[650:900].mean() < 0.5 * np.abs(after - before)[400:560].mean()
    assert "tyrion with 42's eyes" in "\n".join(works("show mix.png"))


def test_noise(works):
    made = works("noise 42 --layers fine")
    assert made == [f"noise/noise-{i}.png" for i in range(4)]
    pictures = [pixels(path).astype(float) for path in made]
    difference = np.abs(pictures[0] - pictures[1])
    assert 0.1 < difference.mean() < 10
    assert looks_like_a_face(pictures[0])


def test_noise_panels_and_heatmap(works):
    assert works("noise jon --panels --size 64") == ["noise-panels.png"]
    assert works("noise jon --heatmap -n 2 --size 64") == ["noise-heatmap.png"]


def test_blend_parents(works, here):
    assert works("blend-parents jon.npy dany.npy") == ["family/child.png", "family/family.png"]
    assert pixels("family/child.png").shape == (1024, 1024, 3)
    assert looks_like_a_face(pixels("family/child.png"))
    jon, dany = (np.load(store.source("ffhq").cast[name])["w"] for name in ("jon", "dany"))
    child = np.load("family/child.npz")["w"]
    assert child.shape == (1, 22, 512)
    np.testing.assert_allclose(child, np.broadcast_to((jon + dany) / 2, child.shape), atol=1e-5)
    assert works("mix --coarse family/child.npz --fine arya --size 64") == ["mix.png"]


def test_average(works):
    assert works("average jon dany arya") == ["average.png"]
    assert looks_like_a_face(pixels("average.png"))


def test_drag(stylegan, works):
    """Jon's hairline goes up: where there was hair, there is forehead."""
    result = stylegan("drag", "jon", "--move", "516,183..516,110", "--out", "higher.png")
    assert (result.exit_code, result.stdout) == (0, "higher.png\n")
    assert "pixels from" not in result.stderr and "jon, dragged: " in result.stderr
    works("sample jon --out jon.png")
    before, after = pixels("jon.png").astype(float), pixels("higher.png").astype(float)
    there = slice(130, 150), slice(490, 540)
    assert before[there].mean() < 90 and after[there].mean() > 150
    assert np.abs(after - before)[400:700].mean() < 15  # the face is still his
    assert works("replay higher.png") == ["higher-replay.png"]
    assert np.array_equal(pixels("higher-replay.png"), pixels("higher.png"))


def test_sample(works):
    made = works("sample --seeds 0-1 --size 64")
    assert made == ["faces/seed0000.png", "faces/seed0001.png"]
    works("sample --seeds 0-1 --size 64 --grid")
    assert np.array_equal(pixels("sheet.png")[:64, :64], pixels("faces/seed0000.png"))
    works("sample --seeds 0-1 --size 64 --dataset data.zip")
    works("sample --latents data-w.npy --size 64 --out again")
    assert np.array_equal(pixels("again/data-w-1.png"), pixels("faces/seed0001.png"))


def test_interpolate(works):
    assert works("interpolate jon dany arya --frames 2 --size 64 --loop") == ["film.mp4"]
    assert imageio_ffmpeg.count_frames_and_secs("film.mp4")[0] == 6


def test_everybody_of_the_cast(works):
    for name in store.source("ffhq").cast:
        assert works(f"sample --latents {name} --size 64 --out {name}.png") == [f"{name}.png"]
        assert pixels(f"{name}.png").std() > 20


def test_latents_of_stylegan2_are_another_models(stylegan, here):
    np.savez("projected_w.npz", w=np.eye(18, 512, dtype=np.float32)[None])
    result = stylegan("mix", "--coarse", "projected_w.npz")
    assert result.exit_code == 1
    assert "this model takes [512], [22, 512]" in result.stderr
    assert "latents of 18 layers belong to another model" in result.stderr


def test_bfloat16_pictures_stay_within_40_dB(works):  # noqa: N802 (the unit)
    for name in ("fp32", "bf16"):
        works(f"sample --seeds 3 --precision {name} --out {name}.png")
    error = np.square(pixels("fp32.png").astype(float) - pixels("bf16.png")).mean()
    assert 10 * np.log10(255**2 / error) > 40


def test_models(works):
    (line,) = [line for line in works("models list") if line.startswith("ffhq\t")]
    assert line.split("\t")[1] == "here"
    assert works("models path") == [str(store.find("ffhq").weights)]
    shown = works("models show")
    assert "resolution    1024" in shown
    assert sum(line.endswith(("512", "256", "128", "64")) for line in shown[-22:]) == 22
    assert any("Apache-2.0" in line for line in shown)


def test_doctor(works):
    lines = works("doctor")
    topics = [line.split()[0] for line in lines[:-1]]
    names = "stylegan device precision threads cache data models scorers ffmpeg here"
    assert topics == names.split()
    assert re.search(r"\(writable, [\d,]+\.\d GB free\)$", lines[4])
    assert "ffhq (here)" in lines[6]
    assert lines[-1] == "Everything is in place."


def test_doctor_finds_what_is_wrong(stylegan, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: (dir / "nothing/x").touch())
    result = stylegan("doctor")
    assert result.exit_code == 1
    assert "cannot be written to" in result.stdout
    assert "there is no ffmpeg for films" in result.stdout
    assert "Everything is in place" not in result.stdout


def test_folders_from_the_environment(here, monkeypatch):
    """A shell expands ~, but not in quotes, and nothing does in a service's settings."""
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    for named, meant in (("~/own", here / "own"), ("beside", here / "beside")):
        monkeypatch.setenv("STYLEGAN_DATA", named)
        assert data_folder() == meant


def test_doctor_survives_a_damaged_model(stylegan, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    (tmp_path / "models/mine").mkdir(parents=True)
    (tmp_path / "models/mine/model.json").write_text("[]")
    result = stylegan("doctor")
    assert result.exit_code == 1
    assert "mine (damaged)" in result.stdout
    assert "problem: " in result.stdout


def test_doctor_sees_a_cache_that_is_no_folder(stylegan, here, monkeypatch):
    (here / "cache").touch()
    monkeypatch.setenv("STYLEGAN_CACHE", str(here / "cache"))
    result = stylegan("doctor")
    assert (result.exit_code, "cache (not writable)" in result.stdout) == (1, True)


def test_a_recipe_is_small(works, here):
    """A sheet of plain seeds carries one row a person."""
    works("sample -n 2 --grid --size 64")
    assert len(recipes.dumps(recipes.read(here / "sheet.png"))) < 10_000
