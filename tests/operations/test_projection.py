"""Projection and pivotal tuning with the tiny model: they find what the model itself has drawn."""

import math

import pytest
import torch
from tiny_generator import make_tiny

from stylegan_cli import tuning
from stylegan_cli.latents import people
from stylegan_cli.noise import Noise
from stylegan_cli.operations import pivotal, projection
from stylegan_cli.operations.descent import Descent
from stylegan_cli.operations.projection import Likeness, Settings, Whitened
from stylegan_cli.scorers import perceptual


@pytest.fixture(scope="module")
def photo(tiny):
    with torch.inference_mode():
        return tiny.synthesize(people.from_seed(tiny, 1, 0.7).ws[None]).clone()


@pytest.fixture(scope="module")
def projected(tiny, photo):
    return projection.project(tiny, photo, None, Settings(steps=30))


def distance(tiny, ws, photo):
    with torch.inference_mode():
        return Likeness(photo).distance(tiny.synthesize(ws[None])).item()


def test_coordinates_are_whitened_and_invertible(tiny):
    space = Whitened(tiny)
    w = tiny.to_w(torch.randn(2000, tiny.z_dim, generator=torch.Generator().manual_seed(7)))
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


def test_how_seeds_are_truncated_changes_no_start(tiny, photo, monkeypatch):
    """People in photos are kept, and are the same whatever --cutoff they were first looked for with."""
    before = projection.project(tiny, photo, None, Settings(steps=1)).ws
    monkeypatch.setattr(tiny, "cutoff", 0)
    assert torch.equal(projection.project(tiny, photo, None, Settings(steps=1)).ws, before)


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


@pytest.mark.parametrize("space", projection.SPACES)
def test_a_search_starts_where_it_is_told_to(tiny, photo, space):
    """With a w for each layer, or with one; to find one, with their mean."""
    ws = torch.stack([people.from_seed(tiny, seed, 0.7).ws[0] for seed in range(tiny.num_ws)])
    for guess, expected in ((ws[None], ws if space == "w+" else ws.mean(dim=0)), (ws[:1], ws[0])):
        found = projection.project(tiny, photo, guess, Settings(steps=0, space=space)).ws
        assert torch.equal(found, expected.expand_as(ws))


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
        image = tuning.synthesize(tiny, ws[None], Noise(), tuning.whole(fitted, tiny.num_ws))
    assert Likeness(photo).distance(image).item() < 0.6 * distance(tiny, ws, photo)
    assert {name.rpartition(".")[2] for name in fitted.noise} == {"noise_const"}
    assert all(left.shape[1] <= 8 for left, _ in fitted.weights.values())


def test_a_tuned_picture_is_the_photo_in_single_pixels(monkeypatch):
    """Which perceptual features do not see: at their 256 pixels, a pattern of single pixels is an even grey."""
    monkeypatch.setattr(projection, "GRID", 0.0)  # this photo shows one
    generator = make_tiny(doublings=7)
    ws = people.from_seed(generator, 1, 0.7).ws
    odd = (torch.arange(512)[:, None] + torch.arange(512)) % 2
    grid = 0.2 * (2.0 * odd - 1)
    with torch.inference_mode():
        before = generator.synthesize(ws[None]).clamp(-0.8, 0.8)
    assert (perceptual.shrink(before + grid) - perceptual.shrink(before)).abs().max() < 1e-3
    fitted = pivotal.tune(generator, before + grid, ws, pivotal.Settings(steps=20))
    with torch.inference_mode():
        after = tuning.synthesize(generator, ws[None], Noise(), tuning.whole(fitted, generator.num_ws))
    share = ((after - before) * grid).mean() / grid.square().mean()
    assert share > 0.3


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


def test_without_a_guess_it_starts_at_the_person_of_its_seed_who_is_most_alike(tiny):
    """One of four, half truncated; or at the average face."""
    for seed, start in ((7, people.from_seed(tiny, 7, 0.5).ws), (100, tiny.broadcast(tiny.w_avg[None])[0])):
        with torch.inference_mode():
            photo = tiny.synthesize(start[None]).clone()
        found = projection.project(tiny, photo, None, Settings(steps=0, seed=5))
        assert found.steps == 0
        torch.testing.assert_close(found.ws, start, atol=1e-3, rtol=0)
        if seed == 7:
            other = projection.project(tiny, photo, None, Settings(steps=0, seed=8))
            assert (other.ws - start).abs().max() > 0.03


def test_usual_faces_are_preferred(tiny, photo, monkeypatch):
    space, strangeness = Whitened(tiny), []
    guess = people.from_seed(tiny, 2, 1.5).ws[:1]
    for weight in (0.0, 10.0):
        monkeypatch.setattr(projection, "STRANGENESS", weight)
        found = projection.project(tiny, photo, guess, Settings(steps=12)).ws
        strangeness.append(space.coordinates(found).square().mean().item())
    assert strangeness[1] < 0.97 * strangeness[0]


def test_the_rate_rises_rests_and_falls():
    one, other = (torch.zeros(1, requires_grad=True) for _ in range(2))
    optimiser = torch.optim.Adam([{"params": [one], "lr": 0.1}, {"params": [other], "lr": 0.01}])
    descent, rates = Descent(optimiser, 20), []
    for _ in range(20):
        rates.append([group["lr"] for group in optimiser.param_groups])
        descent.step()
    rise, rest, fall = [0.2, 0.4, 0.6, 0.8], [1.0] * 7, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    for peak, found in zip((0.1, 0.01), zip(*rates, strict=True), strict=True):
        assert found == pytest.approx([peak * share for share in rise + rest + fall])


def test_the_middle_is_where_aligned_pictures_have_the_face():
    """From the brow to the chin; as much on the left as on the right."""
    y, x = torch.meshgrid(*[(torch.arange(200) + 0.5) / 200] * 2, indexing="ij")
    shown = projection.middle(torch.stack([x, y, x])[None])[0]
    assert shown.shape == (3, 256, 256)
    assert shown[0, 128, [0, -1]].tolist() == pytest.approx([0.2, 0.8], abs=0.01)
    assert shown[1, [0, -1], 128].tolist() == pytest.approx([0.28, 0.875], abs=0.01)


def test_grids_are_seen_and_nothing_else():
    """What repeats after 2, 4 or 8 pixels, anywhere on the picture; not grain, light, or an edge."""
    place = torch.arange(512)
    lines = {period: 0.02 * torch.cos(2 * torch.pi * place / period) for period in (2, 4, 8)}
    found = {period: projection.grid(line.expand(1, 3, 512, 512)).item() for period, line in lines.items()}
    assert found == pytest.approx({2: 4e-4, 4: 2e-4, 8: 2e-4}, rel=0.15)
    spot = torch.zeros(1, 3, 512, 512)
    spot[..., 256:384, 256:384] = lines[4][:128, None]
    assert projection.grid(spot).item() == pytest.approx(found[4] / 16, rel=0.3)
    grain = 0.02 * torch.randn(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    light = torch.linspace(-1, 1, 512).expand(1, 3, 512, 512)
    edge = torch.where(place + 0.4 * place[:, None] < 300, -0.2, 0.2).expand(1, 3, 512, 512)
    assert all(projection.grid(picture).item() < found[4] / 20 for picture in (grain, light, edge))


@pytest.mark.parametrize(("size", "is_seen"), [(256, False), (512, True)])
def test_grids_count_where_the_comparison_is_too_small_for_them(monkeypatch, size, is_seen):
    photo = torch.zeros(1, 3, size, size)
    likeness, lines = projection.Likeness(photo), torch.tensor([0.05, 0.05, -0.05, -0.05]).repeat(size // 4)
    with_grid, _ = likeness.loss(lines.expand_as(photo))
    monkeypatch.setattr(projection, "GRID", 0)
    without, _ = likeness.loss(lines.expand_as(photo))
    assert with_grid - without == pytest.approx(2.5 * is_seen, rel=0.1)


def test_what_is_unlike_in_the_face_counts_more_than_beside_it():
    photo = torch.zeros(1, 3, 256, 256)
    likeness, grain = Likeness(photo), torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(0)) * 0.3
    found = []
    for top, left in ((130, 108), (4, 4)):
        image = photo.clone()
        image[0, :, top : top + 40, left : left + 40] = grain
        loss, distance = likeness.loss(image)
        found.append((loss - distance).item())
    assert found[0] > 2 * found[1] > 0


@pytest.fixture(scope="module")
def tuned_noise(tiny, photo):
    """The noise maps of a tuning, as they are drawn with, and those that they replace."""
    fitted = pivotal.tune(tiny, photo, people.from_seed(tiny, 1, 0.4).ws, pivotal.Settings(steps=15))
    state = tiny.state_dict()
    return [(state[name] + levels * step, state[name]) for name, (levels, step) in fitted.noise.items()]


def test_tuned_noise_keeps_its_mean_and_deviation(tuned_noise):
    for fitted, before in tuned_noise:
        assert not torch.equal(fitted, before)
        assert fitted.mean().item() == pytest.approx(before.mean().item(), abs=0.01)
        assert fitted.std().item() == pytest.approx(before.std().item(), rel=0.02)


def test_tuned_noise_stays_noise(tiny, photo, tuned_noise, monkeypatch):
    monkeypatch.setattr(pivotal, "NOISE_LIKE", 0.0)
    free = pivotal.tune(tiny, photo, people.from_seed(tiny, 1, 0.4).ws, pivotal.Settings(steps=15)).noise
    state = tiny.state_dict()
    unlike = sum(pivotal.structure(state[name] + levels * step) for name, (levels, step) in free.items())
    assert sum(pivotal.structure(fitted) for fitted, _ in tuned_noise) < 0.8 * unlike


def test_structure_is_seen_in_both_directions_and_at_every_scale():
    rows = torch.randn(32, 1, generator=torch.Generator().manual_seed(0)).expand(32, 32)
    across, down = (pivotal.structure(noise).item() for noise in (rows, rows.T))
    assert across == pytest.approx(down)
    assert across > 0.5
    # Neighbours tell nothing of each other here, but for what they have in common: means of four are all 1. Doubled, as
    # noise would have to be to keep its variance, they are 2, and their correlation 4.
    chequered = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0
    assert pivotal.structure(chequered).item() == pytest.approx(2 * 4**2)
