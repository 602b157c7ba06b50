"""Finding directions, on people whose scores are known functions of w."""

import math
from types import SimpleNamespace

import pytest
import torch
from tiny_generator import make_tiny

from stylegan_cli import architectures
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.latents.selection import in_bands
from stylegan_cli.operations import discovery
from stylegan_cli.operations.discovery import Effect

N, D = 2000, 16
SPREAD = torch.linspace(2, 0.2, D)  # w is not equally wide in all directions


def sampled(noise=0.3):
    """People, and two scores: `a` follows the first two numbers of w, `b` the second and third."""
    w = torch.randn(N, D) * SPREAD
    errors = noise * torch.randn(2, N)
    return w, {"a": 5 * (w[:, 0] + w[:, 1] + errors[0]) + 100, "b": w[:, 1] + w[:, 2] + errors[1]}


def correlation(x, y):
    return float(torch.corrcoef(torch.stack([x, y.to(x)]))[0, 1])


def test_a_fit_foretells_held_out_scores():
    w, scores = sampled()
    fitted = discovery.fit(w, scores)
    for name, score in scores.items():
        assert correlation(w.double() @ fitted.responses[name], score) > 0.7
        assert fitted.accuracy[name] > 0.75
        assert 0.5 < fitted.explained[name] < 1
    nothing = discovery.fit(w, {"noise": torch.randn(N)})
    assert 0.4 < nothing.accuracy["noise"] < 0.6
    assert nothing.explained["noise"] < 0.05


def test_faces_that_a_scorer_does_not_see_do_not_count():
    w, scores = sampled()
    holes = scores["a"].clone()
    holes[::3] = math.nan
    fitted = discovery.fit(w, {"a": holes})
    assert torch.isfinite(fitted.responses["a"]).all()
    assert correlation(fitted.responses["a"], discovery.fit(w, scores).responses["a"]) > 0.95


ALIKE = torch.full((N,), 0.1)
TEACH_NOTHING = {
    "nobody is seen": (torch.full((N,), math.nan), "dull has 0 scores in these samples, too few"),
    "all are the same": (ALIKE, "dull has 2000 scores in these samples, but all of them are the same"),
    "one differs": (ALIKE.index_fill(0, torch.tensor(7), 0.2), "2000 scores in these samples, but almost all of them"),
}


@pytest.mark.parametrize(("score", "sentence"), TEACH_NOTHING.values(), ids=TEACH_NOTHING)
def test_scores_that_teach_nothing(score, sentence):
    with pytest.raises(StyleganError, match=sentence):
        discovery.fit(sampled()[0], {"dull": score})


def test_one_person_teaches_nothing():
    with pytest.raises(StyleganError, match="all these people have the same latents"):
        discovery.fit(torch.ones(N, D), sampled()[1])


@pytest.mark.parametrize("having", [3, 4, 5, 6, 7])
def test_a_handful_of_two_classes_one_after_the_other(having):
    labels = torch.ones(10)
    labels[having:] = -1
    fitted = discovery.fit(sampled()[0][:10], {"glasses": labels})
    assert math.isfinite(fitted.explained["glasses"])
    assert fitted.direction("glasses", [], {}).isfinite().all()


def test_two_classes():
    w, _ = sampled()
    w[: N // 2, 3] += 3
    labels = torch.ones(N)
    labels[N // 2 :] = -1
    fitted = discovery.fit(w, {"glasses": labels})
    assert fitted.accuracy["glasses"] > 0.75
    assert fitted.direction("glasses", [], {}).abs().argmax() == 3


def test_the_direction_has_length_one_and_leads_up():
    w, scores = sampled()
    fitted = discovery.fit(w, scores)
    direction = fitted.direction("a", [], {})
    assert direction.norm() == pytest.approx(1)
    # The mean of those above the mean lies ahead.
    above = w[scores["a"] > scores["a"].mean()].mean(dim=0) - w.mean(dim=0)
    assert torch.nn.functional.cosine_similarity(direction, above, dim=0) > 0.95


def test_what_is_kept_does_not_move():
    w, scores = sampled()
    fitted = discovery.fit(w, scores)
    plain, clean = (fitted.direction("a", kept, {}) for kept in ([], ["b"]))
    assert plain[1] + plain[2] > 0.3
    assert abs(clean[1] + clean[2]) < 0.05
    assert clean[0] + clean[1] > 0.1


def test_measuring_is_in_the_units_given_and_skips_whom_nobody_sees():
    people = torch.zeros(4, D)
    people[3, 5] = 1

    def judge(w, by):
        return {"a": float((w + by)[0]) * 6 + 7, "b": math.nan if w[5] else 2.0}

    here = [judge(w, torch.zeros(D)) for w in people]
    step = torch.zeros(D)
    step[0] = 3
    moved = discovery.measure(judge, people, here, step, {"a": 2.0, "b": 1.0})
    assert moved == Effect(ahead={"a": 9.0, "b": 0.0}, behind={"a": 9.0, "b": 0.0})


def test_a_score_that_is_left_with_nobody_is_left_out():
    people, here = torch.zeros(2, D), [{"a": 1.0, "b": 1.0}] * 2
    moved = discovery.measure(lambda *_: {"a": math.nan, "b": 1.0}, people, here, people[0], {"a": 1.0, "b": 1.0})
    assert moved == Effect({"b": 0.0}, {"b": 0.0})


def test_refining_takes_away_what_the_responses_do_not_tell():
    """`b` really follows w[4] as well, which among these people does not vary enough to show."""
    w, scores = sampled()
    w[:, 4] = w[:, 0] * 0.5
    fitted = discovery.fit(w, scores)

    def measured(step):
        """The way back is shorter, and `b` also rises a little on both sides."""
        own, other = float(step[0] + step[1]), float(step[1] + step[2] + 2 * step[4])
        return Effect({"a": own, "b": other + 0.1}, {"a": own / 2, "b": other / 2 - 0.05})

    before = discovery.refine(fitted, "a", ["b"], 3, 0, measured)[1]
    vector, after = discovery.refine(fitted, "a", ["b"], 3, 8, measured)
    assert abs(before.ahead["b"] / before.ahead["a"]) > 0.5
    assert after.ahead["a"] > 0
    assert after.ahead["b"] / after.ahead["a"] == pytest.approx(-after.behind["b"] / after.behind["a"], abs=0.05)
    assert after == measured(3 * vector)


def test_a_target_that_nobody_measures():
    w, scores = sampled()
    fitted = discovery.fit(w, scores)

    def measured(step):
        return Effect(*[{"b": float(step[1] + step[2])}] * 2)

    vector, moved = discovery.refine(fitted, "a", ["b"], 3, 2, measured)
    assert set(moved.ahead) == {"b"}
    assert vector.norm() == pytest.approx(1)


@pytest.mark.parametrize(
    "seen",
    [{"b": 0.5}, {"a": 0.0, "b": 0.5}, {"a": 0.5}, {}],
    ids=["the target is not seen", "the target does not move", "the kept one is not seen", "nothing is seen"],
)
def test_refining_by_scorers_that_see_little(seen):
    w, scores = sampled()
    fitted = discovery.fit(w, scores)
    steps = []

    def measured(step):
        steps.append(step)
        return Effect(seen, seen)

    vector, moved = discovery.refine(fitted, "a", ["b"], 3, 2, measured)
    assert vector.isfinite().all()
    assert moved == Effect(seen, seen)
    # Movements of what is kept are leant against; where none is seen there is nothing to do.
    assert torch.equal(steps[0], steps[1]) == ("b" not in seen)


def test_pca_finds_the_widest_ways():
    tiny = make_tiny()
    vectors, deviations = discovery.pca(tiny, 5000, 4)
    assert torch.allclose(vectors @ vectors.T, torch.eye(4), atol=1e-5)
    assert (deviations.diff() <= 0).all()
    z = torch.randn(20_000, tiny.z_dim)
    w = tiny.to_w(z)
    assert torch.allclose((w @ vectors.T).std(dim=0), deviations.float(), rtol=0.05)


def test_there_are_no_more_directions_than_dimensions():
    tiny = make_tiny()
    everything = range(tiny.num_ws)
    assert len(discovery.sefa(tiny, everything, tiny.w_dim)[0]) == tiny.w_dim
    for call, most in (
        (lambda: discovery.sefa(tiny, everything, tiny.w_dim + 1), tiny.w_dim),
        (lambda: discovery.pca(tiny, 5, 5), 4),
    ):
        with pytest.raises(UsageError, match=f"there are at most {most} directions here"):
            call()


def test_sefa_finds_what_changes_styles_most():
    tiny = make_tiny()
    coarse = in_bands(tiny.layers, ["coarse"])
    vectors, strengths = discovery.sefa(tiny, coarse, 3)
    weights = torch.cat([tiny.style_weights()[layer] for layer in coarse])
    assert torch.allclose((weights @ vectors.T).norm(dim=0), strengths.float(), rtol=1e-4)
    others = torch.nn.functional.normalize(torch.randn(100, tiny.w_dim), dim=1)
    assert (weights @ others.T).norm(dim=0).max() < strengths[0]


FAMILIES = {
    "stylegan1": {"resolution": 16, "fmap_base": 64, "fmap_max": 8, "z_dim": 8},
    "stylegan2": {"resolution": 16, "channel_base": 128, "channel_max": 8, "z_dim": 8},
    "stylegan3": {"resolution": 16, "channel_base": 128, "channel_max": 8, "z_dim": 8},
    "mobilestylegan": {"channels": (8, 8, 8), "z_dim": 8},
    "lucidrains": {"resolution": 16, "channel_base": 128, "channel_max": 8},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_style_weights_are_all_that_a_layers_w_drives(family):
    """What they do not see changes nothing in the picture; what they see does."""
    torch.manual_seed(1)
    config = FAMILIES[family] | {"w_dim": 64, "mapping_layers": 2}
    generator = architectures.build(family, config, "cpu")
    for tensor in generator.parameters():
        torch.nn.init.normal_(tensor)
    generator.prepare(torch.device("cpu"), torch.float32)
    weights, ws = generator.style_weights(), torch.randn(1, generator.num_ws, 64)
    assert len(weights) == generator.num_ws
    picture = generator.synthesize(ws)
    for layer, weight in enumerate(weights):
        seen = torch.linalg.pinv(weight) @ weight if len(weight) else torch.zeros(64, 64)
        step = torch.randn(64)
        for by, changes in ((step - seen @ step, False), (seen @ step, len(weight) > 0)):
            moved = ws.clone()
            moved[0, layer] += by
            difference = (generator.synthesize(moved) - picture).abs().max() / picture.abs().max()
            assert (difference > 1e-3) if changes else (difference < 1e-4), layer


def test_layers_that_drive_nothing():
    with pytest.raises(StyleganError, match="have no effect"):
        discovery.sefa(make_tiny(), [3], 1)


@pytest.mark.parametrize("find", [lambda g: discovery.sefa(g, [0, 1], 5), lambda g: discovery.pca(g, 1000, 5)])
def test_the_sign_is_always_the_same(find):
    vectors, _ = find(make_tiny())
    assert (vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_refining_leans_against_the_mean_of_both_sides():
    leaks, moved = [], Effect({"a": 2.0, "b": 1.0}, {"a": 4.0, "b": 0.4})
    fitted = SimpleNamespace(
        responses={"a": torch.ones(D).double()},
        direction=lambda _target, _kept, against: leaks.append(against["b"]) or torch.eye(D)[0],
    )
    discovery.refine(fitted, "a", ["b"], 3, 2, lambda _step: moved)
    assert leaks == pytest.approx([0, 0.3, 0.6])


def test_a_way_is_halfway_between_the_gradient_and_the_difference_of_means():
    """Which grow by the first and the second power of how wide `w` is, beside the gradient."""
    w = torch.randn(N, D) * SPREAD
    score = w[:, 0] + w[:, 8]
    fitted = discovery.fit(w, {"a": score})
    gradient, way = fitted.responses["a"], fitted.direction("a", [], {})
    means = w[score > 0].mean(dim=0) - w[score < 0].mean(dim=0)
    between = math.sqrt(gradient[8] / gradient[0] * means[8] / means[0])
    assert (way[8] / way[0]).item() == pytest.approx(between, rel=0.1)
