"""Pictures-as-values to pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_families import make

from stylegan_cli.latents.people import from_seed
from stylegan_cli.media import captions
from stylegan_cli.media import render as drawing
from stylegan_cli.media.render import GAP, LEGIBLE, MAX_LINES, page_size, render, to_pixels
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import Face, Heatmap, Sheet, faces_to_compute


@pytest.fixture
def faces(tiny):
    return [Face(from_seed(tiny, seed, 0.7).ws) for seed in range(4)]


def pixels(image):
    return np.asarray(image)


def test_pixels_are_cut_off_as_nvidias():
    values = torch.tensor([-2.0, -1.0, 0.0, 0.99, 1.0, 2.0]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    before = values.clone()
    assert to_pixels(values)[0, 0, :, 0].tolist() == [0, 0, 128, 254, 255, 255]
    assert torch.equal(values, before)


def test_a_face_is_what_the_generator_makes(tiny, faces):
    with torch.inference_mode():
        expected = to_pixels(tiny.synthesize(faces[0].ws[None]))[0]
    assert np.array_equal(pixels(render(tiny, faces[0])), expected)


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2", "stylegan3", "lucidrains"])
def test_a_grey_network_draws_grey_pictures(family):
    generator = make(family, img_channels=1)
    face = Face(from_seed(generator, 0, 0.7).ws)
    found = drawing.pixels(generator, face)
    assert found.shape == (generator.resolution, generator.resolution, 3) and np.ptp(found, axis=2).max() == 0
    with torch.inference_mode():
        assert np.array_equal(found, to_pixels(generator.synthesize(face.ws[None]))[0])
    assert np.array_equal(found, pixels(render(generator, face)))


@pytest.mark.parametrize("size", [None, 31, 128])
def test_pixels_are_those_of_the_picture(tiny, faces, size):
    cells = faces[0], replace(faces[1], part=(0.2, 0.1, 0.5)), Heatmap(faces[2].ws, Noise("random"), 3), Sheet((faces,))
    for picture in cells:
        found = drawing.pixels(tiny, picture, size)
        assert found.dtype == np.uint8 and np.array_equal(found, pixels(render(tiny, picture, size)))


def test_a_whole_face_takes_no_detour(tiny, faces, monkeypatch):
    monkeypatch.setattr(drawing, "render", None)
    assert drawing.pixels(tiny, faces[0], tiny.resolution).shape == (tiny.resolution, tiny.resolution, 3)


@pytest.mark.parametrize("size", [1, 31, 128, 200])
def test_size(tiny, faces, size):
    assert render(tiny, faces[0], size).size == (size, size)


def test_native_size_is_not_resampled(tiny, faces):
    assert np.array_equal(pixels(render(tiny, faces[0], tiny.resolution)), pixels(render(tiny, faces[0])))


def test_cells_of_a_sheet_are_the_single_pictures(tiny, faces):
    a, b, c, d = faces
    sheet = pixels(render(tiny, Sheet(((a, None, b), (c, d))), 32))
    places = {(0, 0): a, (0, 2): b, (1, 0): c, (1, 1): d}
    for (row, column), face in places.items():
        top, left = row * (32 + GAP), column * (32 + GAP)
        assert np.array_equal(sheet[top : top + 32, left : left + 32], pixels(render(tiny, face, 32)))
    assert (sheet[:32, 32 + GAP : 64 + GAP] == 255).all()  # the empty place
    assert sheet.shape == (2 * 32 + GAP, 3 * 32 + 2 * GAP, 3)


def test_captions_stand_below_their_row(tiny, faces):
    captioned = Face(faces[0].ws, caption="jon")
    page = pixels(render(tiny, Sheet(((captioned,), (faces[1],))), 64))
    below = page[64 : page.shape[0] - 64 - GAP]
    assert below.shape[0] > 9
    assert below.min() < 100  # ink
    assert np.array_equal(page[:64], pixels(render(tiny, faces[0], 64)))
    assert np.array_equal(page[-64:], pixels(render(tiny, faces[1], 64)))


def test_lines_of_captions_stand_below_each_other(tiny, faces):
    one, two, many = (
        pixels(render(tiny, Sheet(((Face(faces[0].ws, caption=text), faces[1]),)), 64))
        for text in ("age +1", "age +1\nage +1", "\n" * 1000)
    )
    line = one.shape[0] - 64
    assert two.shape[0] == 64 + 2 * line
    assert np.array_equal(two[: 64 + line], one)
    assert np.array_equal(two[64 + line :], one[64:])
    assert many.shape[0] == 64 + MAX_LINES * line


def test_names_stand_on_the_left_of_their_rows(tiny, faces):
    a, b, *_ = faces
    page = pixels(render(tiny, Sheet(((a,), (b,)), ("", "dany")), 64))
    margin = page.shape[1] - 64
    assert margin > 9
    assert (page[:64, :margin] == 255).all()
    assert page[64 + GAP :, :margin].min() < 100  # ink
    assert np.array_equal(page[:64, margin:], pixels(render(tiny, a, 64)))
    assert np.array_equal(page[64 + GAP :, margin:], pixels(render(tiny, b, 64)))


def test_short_rows_of_a_centred_sheet(tiny, faces):
    a, b, c, d = faces
    page = pixels(render(tiny, Sheet(((a,), (b, c, d)), centred=True), 32))
    assert np.array_equal(page[:32, 32 + GAP : 64 + GAP], pixels(render(tiny, a, 32)))
    assert (page[:32, : 32 + GAP] == 255).all()
    assert (page[:32, 64 + GAP :] == 255).all()


def test_what_the_sheet_before_had_is_not_drawn_again(tiny, faces):
    a, b, c, d = faces
    drawn, count = {}, []
    for sheet in (Sheet(((a, b),)), Sheet(((a, c),)), Sheet(((d, b),)), Sheet(((b, Face(d.ws)),))):
        page = pixels(render(tiny, sheet, 32, lambda: count.append(1), drawn))
        assert np.array_equal(page, pixels(render(tiny, sheet, 32)))
        assert len(drawn) == 2
    assert len(count) == 2 + 1 + 2 + 1


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_part_of_a_face_never_goes_beyond_it(tiny, faces, size, monkeypatch):
    white = torch.ones(1, 3, size, size)
    monkeypatch.setattr(drawing, "_synthesise", lambda *_: white.clone())
    assert (pixels(render(tiny, replace(faces[0], part=(0.5, 0.5, 0.5)))) == 255).all()


def test_a_part_of_a_face(tiny, faces):
    whole = pixels(render(tiny, faces[0]))
    part = pixels(render(tiny, replace(faces[0], part=(0.25, 0.0, 0.5))))
    assert np.array_equal(part, whole[:64, 32:96])
    assert render(tiny, replace(faces[0], part=(0.5, 0.5, 0.001)), 32).size == (32, 32)


def test_a_caption_never_reaches_its_neighbour(tiny, faces):
    long = [Face(faces[0].ws, caption="m" * 100), Face(faces[1].ws)]
    page = pixels(render(tiny, Sheet((tuple(long),)), 64))
    assert (page[64:, 64:] == 255).all()


def test_captions_of_small_faces_are_not_cut(tiny, faces):
    texts = ["7", "100, psi -0.5"]
    sheet = Sheet((tuple(replace(face, caption=text) for face, text in zip(faces, texts, strict=False)),))
    page = pixels(render(tiny, sheet, 32))
    assert page_size(sheet, (32, 32)) == page.shape[1::-1]
    font, column = captions.font_for(texts, 9), (page.shape[1] - GAP) // 2
    assert captions.width_of(texts[1], font, 1000) == column
    for left, text, face in zip((0, column + GAP), texts, faces, strict=False):
        below, middle = page[32:, left : left + column], left + (column - 32) // 2
        assert np.array_equal(below, pixels(captions.line(text, font, column, below.shape[0])))
        assert np.array_equal(page[:32, middle : middle + 32], pixels(render(tiny, face, 32)))


def test_names_of_rows_of_small_faces_are_not_cut(tiny, faces):
    names = ["7", "100, psi -0.5"]
    sheet = Sheet(tuple((face,) for face in faces[:2]), tuple(names))
    page = pixels(render(tiny, sheet, 32))
    assert page_size(sheet, (32, 32)) == page.shape[1::-1]
    font, row, margin = captions.font_for(names, 9), (page.shape[0] - GAP) // 2, page.shape[1] - 32
    assert captions.width_of(names[1], font, 1000) == row
    for top, name, face in zip((0, row + GAP), names, faces, strict=False):
        beside, middle = page[top : top + row, :margin], top + (row - 32) // 2
        assert np.array_equal(np.rot90(beside, -1), pixels(captions.line(name, font, row, margin)))
        assert np.array_equal(page[middle : middle + 32, margin:], pixels(render(tiny, face, 32)))


def test_texts_make_no_sheet_much_larger(tiny, faces):
    long = "m" * 100
    page = render(tiny, Sheet(((faces[0],),), (long,)), 16)
    assert LEGIBLE - 20 < page.height <= LEGIBLE
    assert LEGIBLE - 20 < render(tiny, Sheet(((replace(faces[0], caption=long),),)), 16).width <= LEGIBLE


def test_every_face_is_counted(tiny, faces):
    counted = []
    sheet = Sheet(((faces[0], None), (faces[1], Heatmap(faces[0].ws, Noise("random"), 3))))
    render(tiny, sheet, 16, lambda: counted.append(1))
    assert len(counted) == faces_to_compute(sheet) == 5


def test_a_heatmap_is_dark_without_noise_and_bright_with_it(tiny, faces):
    def heat(noise):
        return pixels(render(tiny, Heatmap(faces[0].ws, noise, 5)).convert("L")).mean()

    assert heat(Noise("none")) < 5
    assert heat(Noise("random")) > 50


def test_a_heatmap_is_the_standard_deviation(tiny, faces):
    noise = Noise("random", 7)
    with torch.inference_mode():
        images = [tiny.synthesize(faces[0].ws[None], Noise("random", 7 + i)) for i in range(6)]
    deviation = torch.cat(images).std(dim=0, correction=0).mean(dim=0)
    order = pixels(render(tiny, Heatmap(faces[0].ws, noise, 6)))[..., 1].astype(float)  # green rises all the way
    low, high = deviation < deviation.quantile(0.2), deviation > deviation.quantile(0.8)
    assert order[low.numpy()].max() < order[high.numpy()].min()


def test_a_hundredth_of_a_heatmap_is_white(tiny, faces):
    heat = pixels(render(tiny, Heatmap(faces[0].ws, Noise("random"), 5)))
    assert 0.009 < (heat == heat.max(axis=(0, 1))).all(axis=2).mean() < 0.012


@torch.inference_mode()
def test_every_face_is_moved_and_turned_by_itself():
    generator = make("stylegan3").prepare(torch.device("cpu"), torch.float32)
    ws = torch.randn(generator.num_ws, generator.w_dim)
    still, moved = Face(ws), Face(ws, translate=(0.25, 0.1), rotate=30.0)
    before = pixels(render(generator, still))
    generator.set_transform((0.25, 0.1), 30.0)
    expected = to_pixels(generator.synthesize(ws[None]))[0]
    generator.set_transform()
    assert np.array_equal(pixels(render(generator, moved)), expected)
    assert np.array_equal(to_pixels(generator.synthesize(ws[None]))[0], before)  # whatever else draws is not moved
    assert np.array_equal(pixels(render(generator, still)), before)
    assert not np.array_equal(expected, before)


def test_pictures_that_are_no_squares():
    generator = make("stylegan2", start=(4, 2))
    face = Face(generator.broadcast(generator.w_avg[None])[0], caption="1")
    assert render(generator, face).size == (32, 64)
    assert np.array_equal(drawing.pixels(generator, face), pixels(render(generator, face)))
    assert render(generator, face, 20).size == (20, 40)
    assert render(generator, replace(face, part=(0.25, 0.5, 0.5))).size == (16, 32)
    low = render(generator, replace(face, part=(0.0, 1.9, 0.5)))
    assert np.array_equal(pixels(low), pixels(render(generator, face))[32:, :16])
    page = render(generator, Sheet(((face, face), (face, None))), 64)
    assert page.size == page_size(Sheet(((face, face), (face, None))), (64, 128))
    assert page.size[0] == 2 * 64 + GAP
    assert np.array_equal(np.asarray(page)[:128, :64], np.asarray(render(generator, face, 64)))
    page = np.asarray(page)
    assert page[128:].min() < 100 < page[:, 64 : 64 + GAP].min()  # captions below, paper between
