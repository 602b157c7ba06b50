"""Tunings: what they change, how they are shared, and that files and recipes keep them to the bit."""

import gc
import weakref

import numpy as np
import pytest
import torch
from tiny_generator import make_tiny

from stylegan_cli import recipes, tuning
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Origin
from stylegan_cli.latents import files, people
from stylegan_cli.noise import Noise
from stylegan_cli.operations import blending, mixing, surgery
from stylegan_cli.pictures import Face, Sheet
from stylegan_cli.tuning import Term, Tuning

WEIGHT, MAP = "blocks.1.conv1.pointwise", "blocks.1.conv1.epilogue.noise_const"  # both work at 16 pixels: middle


def make_tuning(tiny, seed=0):
    randomness = torch.Generator().manual_seed(seed)
    shape = tiny.state_dict()[WEIGHT].shape
    left, right = torch.randn(shape[0], 2, generator=randomness), torch.randn(2, shape[1], generator=randomness)
    levels = torch.randint(-127, 128, (16, 16), generator=randomness).to(torch.int8)
    return Tuning({WEIGHT: (left.half(), right.half())}, {MAP: (levels, 0.01)})


@pytest.fixture
def tuned(tiny):
    return people.Person("photo", people.from_seed(tiny, 1, 0.7).ws, tuned=tuning.whole(make_tuning(tiny), tiny.num_ws))


def draw(tiny, person):
    with torch.inference_mode():
        return tuning.synthesize(tiny, person.ws[None], Noise(), person.tuned)


def test_it_is_as_if_the_generator_had_other_weights(tiny, tuned):
    state = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    shown = draw(tiny, tuned)
    assert all(torch.equal(tensor, state[name]) for name, tensor in tiny.state_dict().items())
    own = tuned.tuned[0].tuning
    left, right = own.weights[WEIGHT]
    levels, step = own.noise[MAP]
    changed = {WEIGHT: state[WEIGHT] + (left.float() @ right.float())[..., None, None], MAP: state[MAP] + levels * step}
    tiny.load_state_dict(state | changed)
    try:
        expected = draw(tiny, people.Person("plain", tuned.ws))
    finally:
        tiny.load_state_dict(state)
    assert torch.allclose(shown, expected, atol=1e-5)
    assert not torch.allclose(shown, draw(tiny, people.Person("plain", tuned.ws)), atol=1e-2)


def test_a_tuning_has_an_identity(tiny, tuned, tmp_path):
    """Which files keep, and another one does not share."""
    files.write_npz(tmp_path / "a.npz", tuned.ws[None].numpy(), {"model": {}}, tuned=[tuned.tuned])
    with np.load(tmp_path / "a.npz") as arrays:
        kept = Tuning.from_arrays({
            key.removeprefix("tunings/0/"): arrays[key] for key in arrays if key.startswith("tunings/0/")
        })  # fmt: skip
    assert kept.digest == make_tuning(tiny).digest == tuned.tuned[0].tuning.digest
    assert make_tuning(tiny, 1).digest != kept.digest


def test_what_a_model_was_made_with_is_not_added_again(tiny, tuned):
    """But other tunings are. Notes come from others, and may say anything."""
    with_both = people.Person("both", tuned.ws, tuned=(*tuned.tuned, *tuning.whole(make_tuning(tiny, 1), tiny.num_ws)))
    made = surgery.tuned(make_tiny(), "me", tuned.tuned)
    (alone,) = people.with_tunings(made, [tuned], [tuned.tuned])
    (other,) = people.with_tunings(made, [with_both], [with_both.tuned])
    assert (alone.tuned, other.tuned) == ((), with_both.tuned[1:])
    assert torch.allclose(draw(made, alone), draw(tiny, tuned), atol=1e-5)
    twice = surgery.tuned(made, "us", with_both.tuned[1:])
    (nothing,) = people.with_tunings(twice, [with_both], [with_both.tuned])
    assert nothing.tuned == ()
    for notes in ({}, {"tunings": "all"}, {"tunings": [None, 3]}):
        made.origin = Origin("made", notes=notes)
        assert people.with_tunings(made, [tuned], [tuned.tuned])[0].tuned == tuned.tuned


def test_the_last_person_is_kept_ready(tiny, tuned, monkeypatch):
    """And nobody else: not another, not with other shares, not in another generator."""
    computed, tensors = [], tuning.tensors
    monkeypatch.setattr(tuning, "tensors", lambda generator, tuned: computed.append(tuned) or tensors(generator, tuned))
    half = people.Person("half", tuned.ws, tuned=tuple(Term(term.tuning, (0.5,) * tiny.num_ws) for term in tuned.tuned))
    other = people.Person("other", tuned.ws, tuned=tuning.whole(make_tuning(tiny, 1), tiny.num_ws))
    pictures = [draw(tiny, person) for person in (half, half, other, other, half)]
    assert computed == [half.tuned, other.tuned, half.tuned]
    assert torch.equal(pictures[0], pictures[1]) and torch.equal(pictures[0], pictures[4])
    assert not torch.equal(pictures[0], pictures[2])
    strange = make_tiny(1)
    draw(strange, half)
    assert len(computed) == 4
    gone = weakref.ref(strange)
    del strange
    gc.collect()
    assert gone() is None


def test_what_is_kept_can_be_differentiated(tiny, tuned):
    draw(tiny, tuned)
    ws = tuned.ws[None].clone().requires_grad_()
    tuning.synthesize(tiny, ws, Noise(), tuned.tuned).sum().backward()
    assert ws.grad.isfinite().all()


def test_features_are_those_of_the_tuned_generator(tiny, tuned):
    ws = tuned.ws[None]
    maps = tuning.features(tiny, ws, 16, Noise(), tuned.tuned)
    changed = make_tiny()
    changed.load_state_dict(tiny.state_dict() | tuning.tensors(tiny, tuned.tuned))
    assert torch.equal(maps, changed.features(ws, 16))
    assert not torch.equal(maps, tuning.features(tiny, ws, 16, Noise(), ()))
    without = tuning.features(tiny, ws, 16, Noise("none"), ())
    assert not torch.equal(without, tuning.features(tiny, ws, 16, Noise(), ()))


def test_cuda_graphs_are_not_recorded_for_people(tiny, tuned, monkeypatch):
    """They are passed by, as they know tensors by their place."""
    monkeypatch.setitem(vars(tiny), "synthesize", lambda *_: pytest.fail("compiled code was asked"))
    monkeypatch.setattr(type(tiny), "device", torch.device("cuda"))
    with torch.inference_mode():
        assert tuning.synthesize_with(tiny, tuned.ws[None], Noise(), {}).isfinite().all()


def test_bands_keep_their_persons_tuning(tiny, tuned):
    """The tuning works at 16 pixels, so it goes where the middle band goes."""
    plain = people.from_seed(tiny, 2, 0.7)
    without = mixing.mix(tiny.layers, {"coarse": tuned, "middle": plain, "fine": tuned})
    assert torch.equal(draw(tiny, without), draw(tiny, people.Person("", without.ws)))
    middle = mixing.mix(tiny.layers, {"coarse": plain, "middle": tuned})
    everywhere = people.Person("", middle.ws, tuned=tuned.tuned)
    assert torch.equal(draw(tiny, middle), draw(tiny, everywhere))


def test_layers_of_one_resolution_share_a_tensor(tiny):
    """It gets the mean of their shares."""
    own, ws = make_tuning(tiny), people.from_seed(tiny, 1, 0.7).ws
    its = [layer.resolution == tiny.resolution_of(WEIGHT) for layer in tiny.layers]
    first = [float(i == its.index(True)) for i in range(tiny.num_ws)]
    found, expected = (
        draw(tiny, people.Person("", ws, tuned=(Term(own, tuple(shares)),)))
        for shares in (first, [1 / sum(its)] * tiny.num_ws)
    )
    assert sum(its) > 1
    torch.testing.assert_close(found, expected)


def test_children_have_half_of_each_parents(tiny, tuned):
    other = people.Person("other", tuned.ws, tuned=tuning.whole(make_tuning(tiny, 1), tiny.num_ws))
    child = blending.blend(tuned, other, torch.full((tiny.num_ws,), 0.25))
    assert [term.shares[0] for term in child.tuned] == [0.75, 0.25]
    assert blending.blend(tuned, other, torch.ones(tiny.num_ws)).tuned == tuned.tuned
    twin = blending.blend(tuned, tuned, torch.full((tiny.num_ws,), 0.25))
    assert twin.tuned == tuned.tuned


def test_an_average_has_everybody_s_tunings_in_part(tiny, tuned):
    plain = people.from_seed(tiny, 2, 0.7)
    between = blending.average([tuned, plain, plain, plain])
    assert between.tuned == (Term(tuned.tuned[0].tuning, (0.25,) * tiny.num_ws),)
    assert blending.average([tuned, tuned]).tuned == tuned.tuned
    assert blending.average([plain, plain]).tuned == ()


def test_recipes_keep_it(tiny, tuned):
    child = blending.blend(tuned, people.from_seed(tiny, 3, 0.7), torch.linspace(0, 1, tiny.num_ws))
    sheet = Sheet(((tuned.face(), None, child.face()),))
    recipe = recipes.Recipe(sheet, "tiny", "0" * 64, "fp32", "cpu")
    again = recipes.loads(recipes.dumps(recipe), "it").picture
    for before, after in zip(sheet.cells(), again.cells(), strict=True):
        assert torch.equal(draw(tiny, before), draw(tiny, after))
    assert recipes.dumps(recipe).count(WEIGHT) == 2  # left and right, once for both faces


def test_damaged_ones_in_recipes_are_refused(tuned):
    text = recipes.dumps(recipes.Recipe(tuned.face(), "tiny", "0" * 64, "fp32", "cpu"))
    for old, new in (
        ('"<f2"', '"<f8"'),
        ('"<f2", [16', '"<f2", [99999999'),
        ('"<f2", [16', '"<f2", [0'),
        ('"<f2", [16', '"<f2", ["16"'),
        ('"tuned": [[0, [1.0', '"tuned": [[0, [NaN'),
        ('"tuned": [[0', '"tuned": [[7'),
        ("/left", "/lost"),
    ):
        assert old in text
        with pytest.raises(StyleganError, match="damaged recipe"):
            recipes.loads(text.replace(old, new, 1), "it")


def test_latent_files_keep_it(tiny, tuned, tmp_path):
    plain = people.from_seed(tiny, 2, 0.7)
    child = blending.blend(tuned, plain, torch.linspace(0, 1, tiny.num_ws))
    about = {"model": {"name": "tiny", "sha256": "0" * 64}}
    everybody = [tuned, plain, child]
    ws = np.stack([person.ws.numpy() for person in everybody])
    files.write_npz(tmp_path / "a.npz", ws, about, tuned=[person.tuned for person in everybody])
    stored = files.read(tmp_path / "a.npz")
    again = people.with_tunings(tiny, people.from_array(tiny, stored.array, "a"), stored.tuned)
    for before, after in zip(everybody, again, strict=True):
        assert torch.equal(draw(tiny, before), draw(tiny, after))


@pytest.mark.parametrize("name", ["nobody.weight", "map.layers.0.weight", "blocks.1.conv1.depthwise"])
def test_one_of_another_model_is_refused(tiny, name):
    left, right = make_tuning(tiny).weights[WEIGHT]
    strange = tuning.whole(Tuning({name: (left, right)}, {}), tiny.num_ws)
    with pytest.raises(StyleganError, match=name):
        draw(tiny, Face(people.from_seed(tiny, 1, 1).ws, tuned=strange))


@pytest.mark.parametrize("gain", [1e38, float("nan")])
def test_one_that_makes_weights_infinite_is_refused(tiny, gain):
    """Its own numbers may be finite; it would draw black pictures."""
    left, right = make_tuning(tiny).weights[WEIGHT]
    strange = tuning.whole(
        Tuning({WEIGHT: (torch.full_like(left.float(), gain), right.float() * 1e38)}, {}), tiny.num_ws
    )
    with pytest.raises(StyleganError, match=f"makes {WEIGHT} infinite"):
        draw(tiny, Face(people.from_seed(tiny, 1, 1).ws, tuned=strange))


def test_the_arrays_of_all_tunings_have_one_limit(tiny, tuned, monkeypatch):
    text = recipes.dumps(recipes.Recipe(tuned.face(), "tiny", "0" * 64, "fp32", "cpu"))
    own = sum(array.size for array in make_tuning(tiny).to_arrays().values())
    monkeypatch.setattr(recipes, "MAX_TUNED", own)
    recipes.loads(text, "it")
    monkeypatch.setattr(recipes, "MAX_TUNED", own - 1)
    with pytest.raises(StyleganError, match="impossible shapes"):
        recipes.loads(text, "it")


@pytest.mark.parametrize("said", ["CUDA out of memory.", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"])
def test_want_of_memory_is_not_taken_for_another_models_tuning(tiny, monkeypatch, said):
    def gain(*_):
        raise RuntimeError(said)

    monkeypatch.setattr(Tuning, "gain", gain)
    with pytest.raises(RuntimeError, match=said):
        draw(tiny, Face(people.from_seed(tiny, 1, 1).ws, tuned=tuning.whole(make_tuning(tiny), tiny.num_ws)))


def test_thin_matrices_do_not_become_an_endless_one(tiny):
    """40 GB, if they were multiplied first."""
    long = torch.ones(100_000, 1, dtype=torch.float16)
    strange = tuning.whole(Tuning({WEIGHT: (long, long.T)}, {}), tiny.num_ws)
    with pytest.raises(StyleganError, match="does not have in that shape"):
        draw(tiny, Face(people.from_seed(tiny, 1, 1).ws, tuned=strange))


def test_a_step_that_is_not_finite_is_refused(tiny):
    arrays = make_tuning(tiny).to_arrays()
    with pytest.raises(ValueError, match="damaged"):
        Tuning.from_arrays(arrays | {f"{MAP}/step": np.array(np.inf)})


def test_shares_of_another_model_are_refused(tiny):
    face = Face(people.from_seed(tiny, 1, 1).ws, tuned=(Term(make_tuning(tiny), (1.0, 1.0)),))
    with pytest.raises(StyleganError, match="do not belong"):
        recipes.Recipe(face, "tiny", tiny.origin.sha256, "fp32", "cpu").check_model(tiny, "it")
    with pytest.raises(StyleganError, match="do not belong"):
        people.with_tunings(tiny, [people.from_seed(tiny, 1, 1)], [(Term(make_tuning(tiny), (1.0, 1.0)),)])
