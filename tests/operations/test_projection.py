"""Projection and pivotal tuning with the tiny model: they find what the model itself has drawn."""

import math

import pytest
import torch

from stylegan_cli import tuning
from stylegan_cli.latents import people
from stylegan_cli.noise import Noise
from stylegan_cli.operations import pivotal, projection
from stylegan_cli.operations.projection import Likeness, Settings, Whitened


@pytest.fixture(scope="module")
def photo(tiny):
    with torch.inference_mode():
        return tiny.synthesis(people.from_seed(tiny, 1, 0.7).ws[None]).clone()


@pytest.fixture(scope="module")
def projected(tiny, photo):
    return projection.project(tiny, photo, None, Settings(steps=30))


def distance(tiny, ws, photo):
    with torch.inference_mode():
        return Likeness(photo).distance(tiny.synthesis(ws[None])).item()


def test_coordinates_are_whitened_and_invertible(tiny):
    space = Whitened(tiny)
    w = tiny.mapping(torch.randn(2000, tiny.z_dim, generator=torch.Generator().manual_seed(7)))
    coordinates = space.coordinates(w)
    assert torch.allclose(space.w(coordinates), w, atol=1e-3)
    assert coordinates.mean(dim=0).abs().max() < 0.2
    assert coordinates[:, -3:].std(dim=0).sub(1).abs().max() < 0.15  # the axes that vary most
    assert coordinates.std(dim=0).max() < 1.2


def test_it_comes_closer_than_the_average_face(tiny, photo, projected):
    assert distance(tiny, projected.ws, photo) < distance(tiny, tiny.broadcast(tiny.w_avg[None])[0], photo) / 3


def test_the_best_step_is_what_counts(tiny, photo):
    """A rate far too high makes it worse step by step; the first step is what is returned."""
    guess = people.from_seed(tiny, 1, 0.7).ws[:1]
    found = projection.project(tiny, photo, guess, Settings(steps=4, rate=50.0))
    assert torch.allclose(found.ws, guess.expand(tiny.num_ws, -1), atol=1e-3)


def test_one_w_for_all_layers_in_w(tiny, photo):
    ws = projection.project(tiny, photo, None, Settings(steps=3, space="w")).ws
    assert ws.shape == (tiny.num_ws, tiny.w_dim)
    assert torch.equal(ws, ws[:1].expand_as(ws))


def test_it_depends_on_nothing_but_its_seed(tiny, photo):
    found = []
    for other in (98, 99):
        torch.manual_seed(other)
        found.append(projection.project(tiny, photo, None, Settings(steps=5)).ws)
    assert torch.equal(*found)


def test_the_largest_seed(tiny, photo):
    assert projection.project(tiny, photo, None, Settings(steps=1, seed=2**32 - 1)).steps == 1


def test_a_good_guess_is_a_head_start(tiny, photo):
    guess = people.from_seed(tiny, 1, 0.65).ws[:1]
    steps = []
    projection.project(tiny, photo, guess, Settings(steps=1), steps.append)
    projection.project(tiny, photo, None, Settings(steps=1), steps.append)
    assert steps[0].distance < steps[1].distance / 2
    assert steps[0].image.shape == photo.shape


def test_stalling_is_noticed():
    falling = [1 / step for step in range(1, 60)]
    assert not projection.stalled(falling)
    assert projection.stalled(falling + [falling[-1]] * projection.PATIENCE)
    assert not projection.stalled([1.0] * (2 * projection.PATIENCE - 1))


def test_tuning_comes_closer_still_and_leaves_the_model_alone(tiny, photo):
    """The pivot is a little off; what is drawn afterwards, from what files keep, is the tuning's own work."""
    ws = people.from_seed(tiny, 1, 0.6).ws
    state = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    fitted = pivotal.tune(tiny, photo, ws, pivotal.Settings(steps=30))
    assert all(torch.equal(tensor, state[name]) for name, tensor in tiny.state_dict().items())
    with torch.inference_mode():
        image = tuning.synthesis(tiny, ws[None], Noise(), tuning.whole(fitted, tiny.num_ws))
    assert Likeness(photo).distance(image).item() < 0.6 * distance(tiny, ws, photo)
    assert {name.rpartition(".")[2] for name in fitted.noise} == {"noise_const"}
    assert all(left.shape[1] <= 8 for left, _ in fitted.weights.values())


def test_structure_tells_noise_from_a_picture():
    noise = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise[None, None], 5, 1, 2)[0, 0]
    assert pivotal.structure(noise) < 0.1
    assert pivotal.structure(smooth / smooth.std()) > 0.5


def test_the_report_knows_the_distances_ends():
    black, grey = -torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    assert projection.report(grey, black)["psnr"] == pytest.approx(6.02, abs=0.01)
    assert projection.report(2 * black, black)["psnr"] == math.inf  # a picture shows no more than black
    assert projection.report(black, black) == {"distance": 0, "psnr": math.inf}
