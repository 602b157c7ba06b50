"""What is drawn from data sets and from generators."""

import hashlib
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import small_families
import torch
from originals import GOLDEN
from PIL import Image

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator, Layer
from stylegan_cli.latents import people
from stylegan_cli.media.render import render, to_pixels
from stylegan_cli.metrics.sets import DataSet, Made
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import Face
from stylegan_cli.training.data import Pictures


def prints(pictures):
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in pictures]


def test_labels_that_nobody_asks_for_may_be_wrong(make_data, tiny):
    """Not by models without classes either, nor by those of which one was chosen."""
    data = DataSet(make_data(20, size=16, labels=["a"]))
    assert len(list(data.draw(2, 0, 0))) == 2
    assert prints(Made(tiny, like=data).draw(2, 0, 0)) == prints(Made(tiny).draw(2, 0, 0))
    chosen = Coloured()
    chosen.choose_class(1)
    assert shades(Made(chosen, like=data)) == {64}
    with pytest.raises(StyleganError, match="classes are whole numbers"):
        Made(Coloured(), like=data)
    with pytest.raises(StyleganError, match="classes are whole numbers"):
        data.classes  # noqa: B018


def test_shrunken_pictures_are_those_of_training(make_data):
    path = make_data(20, size=32)
    data, pictures = DataSet(path, 16), Pictures(path, 16)
    assert data.resolution == 16
    for number, image in enumerate(data.draw(20, 0, 0)):
        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), pictures[number])
    pictures.close()


def test_a_data_set_is_drawn_without_repeats(make_data):
    data = DataSet(make_data(20, size=16))
    assert (data.count, data.resolution) == (20, 16)
    a, b = prints(data.draw(10, 0, 0)), prints(data.draw(10, 0, 1))
    assert len({*a, *b}) == 20
    assert prints(data.draw(10, 0, 0)) == a
    assert prints(data.draw(10, 1, 0)) != a


def test_fewer_pictures_are_among_the_more(make_data):
    data = DataSet(make_data(20, size=16))
    assert {*prints(data.draw(5, 0, 0))} < {*prints(data.draw(15, 0, 0))}


def save(folder, sizes):
    folder.mkdir()
    for i, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([(16, 16), (16, 16), (32, 32)], "2.png in .* is 32 x 32, but 0.png is 16 x 16; make a data set of it"),
        ([(16, 12)], "0.png in .* is 16 x 12; make a data set of it"),
    ],
)
def test_pictures_that_do_not_belong_together(tmp_path, sizes, message):
    data = DataSet(save(tmp_path / "data", sizes))
    with pytest.raises(StyleganError, match=message):
        list(data.draw(len(sizes), 0, 0))


def test_a_broken_picture(tmp_path):
    folder = save(tmp_path / "data", [(16, 16)] * 3)
    (folder / "1.png").write_bytes(b"broken")
    with pytest.raises(StyleganError, match=r"1.png in .* is not a picture of a known format; make a data set"):
        list(DataSet(folder).draw(3, 0, 0))


def test_a_data_set_that_went_away(make_data):
    path = make_data(2, size=16)
    data = DataSet(path)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(StyleganError, match="cannot be unpacked"):
        list(data.draw(2, 0, 0))


def test_a_generator_is_seeded(tiny):
    a = prints(Made(tiny).draw(3, 0, 0))
    assert len(set(a)) == 3
    assert prints(Made(tiny).draw(3, 0, 0)) == a
    assert prints(Made(tiny).draw(2, 0, 0)) == a[:2]
    assert not {*a} & {*prints(Made(tiny).draw(3, 0, 1)), *prints(Made(tiny).draw(3, 1, 0))}


def test_whoever_stops_drawing_can_go_on_training(tiny):
    drawn = Made(tiny).draw(3, 0, 0)
    next(drawn)
    assert not torch.is_inference_mode_enabled()


def test_a_generators_pictures_are_those_that_are_rendered(tiny):
    """The same z, truncation and noise by the way that every verb takes."""
    stream = np.random.RandomState([7, 0])
    first_noise = stream.randint(2**31)
    expected = []
    for number in range(2):
        person = people.from_z(tiny, torch.from_numpy(stream.randn(tiny.z_dim)).float(), 0.5, "")
        expected.append(render(tiny, Face(person.ws, Noise("random", first_noise + number))))
    assert prints(Made(tiny, psi=0.5).draw(2, 7, 0)) == prints(expected)


class Coloured(Generator):
    """A generator whose pictures are as bright as their class."""

    family = "coloured"
    layers = (Layer(0, 4, 1),)

    def __init__(self):
        super().__init__(SimpleNamespace(resolution=4, z_dim=2, w_dim=3, c_dim=3))
        self.register_buffer("w_avg", torch.zeros(3))

    def to_w(self, z, c=None):
        return self.labels(len(z), c)

    def draw(self, ws, noise):
        return (ws[:, 0].argmax(dim=1).float() / 2 - 1)[:, None, None, None].expand(-1, 3, 4, 4)

    def stage(self, resolution):
        raise NotImplementedError

    def resolution_of(self, tensor):
        return None

    def style_weights(self):
        return [torch.zeros(0, 3)]


def shades(made):
    return {image.getpixel((0, 0))[0] for image in made.draw(40, 0, 0)}


def test_classes_are_the_datas_or_all_or_the_chosen_one(make_data):
    generator = Coloured()
    assert shades(Made(generator)) == shades(Made(generator, like=DataSet(make_data(2, size=16)))) == {0, 64, 128}
    assert shades(Made(generator, like=DataSet(make_data(2, size=16, labels=[0, 2])))) == {0, 128}
    generator.choose_class(1)
    assert shades(Made(generator, like=DataSet(make_data(1, size=16, labels=[9])))) == {64}


@torch.no_grad()
def test_each_class_is_truncated_towards_its_own_mean():
    generator = importers.generator(importers.read(GOLDEN / "stylegan_xl.pkl"), "xl")
    averages = [to_pixels(generator.synthesize(generator.broadcast(mean[None])))[0] for mean in generator.mapping.w_avg]
    drawn = [np.asarray(image) for image in Made(generator, psi=0.0).draw(12, 0, 0)]
    assert {next(i for i, one in enumerate(averages) if np.array_equal(one, image)) for image in drawn} == {0, 1, 2}


def test_what_pictures_depend_on(make_data, tiny):
    assert DataSet(make_data(20, size=32), 16).about() == {"pictures": 20, "resolution": 16}
    assert Made(tiny, 0.5).about() == {"sha256": "0" * 64, "psi": 0.5, "class": None, "precision": "fp32"}
    trained = Coloured().prepare(torch.device("cpu"), torch.bfloat16)
    trained.choose_class(2)
    assert Made(trained).about() == {"sha256": None, "psi": 1, "class": 2, "precision": "bf16"}


def test_classes_that_the_model_has_not(make_data):
    with pytest.raises(StyleganError, match="classes up to 5, but unnamed has 0-2"):
        Made(Coloured(), like=DataSet(make_data(2, size=16, labels=[0, 5])))


def test_pictures_of_one_class(make_data):
    data = DataSet(make_data(20, size=16, labels=[0, 1, 1, 2]), only=1)
    assert data.about() == {"pictures": 10, "resolution": 16, "class": 1}
    everybody = DataSet(data.path)
    ones = [i for i in range(20) if i % 4 in (1, 2)]
    assert sorted(prints(data.draw(10, 0, 0))) == sorted(
        one for i, one in enumerate(prints(everybody.draw(20, 0, 0))) if i in ones
    )
    with pytest.raises(StyleganError, match="is of class 7"):
        DataSet(data.path, only=7)
    assert DataSet(make_data(4, size=16), only=7).about() == {"pictures": 4, "resolution": 16}  # without classes


def test_z_does_not_depend_on_the_classes_that_there_are(make_data):
    generator = small_families.make("stylegan2", c_dim=3)
    drawn = []
    for labels in ([0, 1], [2]):
        data = DataSet(make_data(2, size=16, labels=labels))
        drawn.append([z for z, _ in Made(generator, like=data).ends(3, 0)])
    assert all(map(torch.equal, *drawn))
