"""MobileStyleGAN: parity with the original files, and the properties that the verbs rely on."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from originals import GOLDEN, arrays

from stylegan_cli.architectures.mobilestylegan import haar_product, inverse_haar
from stylegan_cli.noise import Noise

PATCH = np.s_[:, 480:544, 480:544]


@pytest.fixture(scope="module")
def golden():
    return arrays(GOLDEN / "mobilestylegan.npz")


@pytest.fixture(scope="module")
def mixed_ws(ffhq, golden):
    """Coarse from seed 0, middle from 1, fine from 2: `[1, num_ws, w_dim]`."""
    ws = ffhq.broadcast(golden["w"])
    rows = [ws[("coarse", "middle", "fine").index(layer.band), layer.index] for layer in ffhq.layers]
    return torch.stack(rows)[None]


def synthesise(generator, ws, noise=None):
    with torch.inference_mode():
        return generator.synthesize(ws, noise or Noise())


def test_mapping_parity(ffhq, golden):
    with torch.inference_mode():
        torch.testing.assert_close(ffhq.to_w(golden["z"]), golden["w"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_picture_parity(ffhq, golden, seed):
    image = synthesise(ffhq, ffhq.broadcast(golden["w"][seed : seed + 1]))[0]
    torch.testing.assert_close(image[PATCH], golden[f"seed{seed}"], atol=1e-4, rtol=0)


def test_mixed_picture_parity(ffhq, golden, mixed_ws):
    image = synthesise(ffhq, mixed_ws)
    torch.testing.assert_close(image[0][PATCH], golden["mix012"], atol=1e-4, rtol=0)
    torch.testing.assert_close(F.avg_pool2d(image, 8)[0][:, ::4, ::4], golden["mix012_mean8"], atol=1e-4, rtol=0)


def test_bfloat16_stays_within_40_dB(ffhq, golden):  # noqa: N802 (the unit)
    from stylegan_cli import store

    ws = ffhq.broadcast(golden["w"][:1])
    half = store.load("ffhq").prepare(torch.device("cpu"), torch.bfloat16)
    error = (synthesise(half, ws) - synthesise(ffhq, ws)).square().mean()
    assert 10 * torch.log10(4 / error) > 40  # pictures span 2, so the peak power is 4


def test_layers_of_the_default_model(ffhq):
    assert ffhq.num_ws == 22
    assert [layer.resolution for layer in ffhq.layers[:5]] == [4, 8, 8, 8, 16]
    by_band = {band: [x.index for x in ffhq.layers if x.band == band] for band in ("coarse", "middle", "fine")}
    assert by_band == {"coarse": [0, 1, 2, 3], "middle": [4, 5, 6, 7, 8, 9], "fine": list(range(10, 22))}


@pytest.mark.slow
@torch.inference_mode()
def test_shipped_w_avg_is_the_mean_that_the_card_says(ffhq):
    z = np.random.RandomState(0).randn(100_000, ffhq.z_dim).astype(np.float32)
    mean = ffhq.to_w(torch.from_numpy(z)).double().mean(dim=0).float()
    torch.testing.assert_close(mean, ffhq.w_avg, atol=1e-5, rtol=0)


def test_every_layer_changes_the_picture_except_the_heads_that_training_dropped(tiny):
    """Index 3n of all blocks but the last is the place of a picture head that no longer exists."""
    ws = torch.randn(1, tiny.num_ws, tiny.w_dim)
    plain = synthesise(tiny, ws)
    silent = set(range(3, tiny.num_ws - 1, 3))
    for layer in tiny.layers:
        moved = ws.clone()
        moved[:, layer.index] += 1
        assert torch.equal(synthesise(tiny, moved), plain) == (layer.index in silent)


def test_batch_size_changes_nothing(tiny):
    ws = torch.randn(5, tiny.num_ws, tiny.w_dim)
    alone = torch.cat([synthesise(tiny, one[None]) for one in ws])
    assert torch.equal(synthesise(tiny, ws), alone)


def test_gradients_reach_ws(tiny):
    ws = torch.randn(2, tiny.num_ws, tiny.w_dim, requires_grad=True)
    tiny.synthesize(ws).square().mean().backward()
    assert ws.grad is not None
    assert (ws.grad[:, 0] != 0).any()
    assert torch.isfinite(ws.grad).all()


def test_inverse_haar_undoes_the_haar_transform():
    image = torch.randn(2, 3, 8, 6)
    a, b = image[..., ::2, ::2], image[..., ::2, 1::2]
    c, d = image[..., 1::2, ::2], image[..., 1::2, 1::2]
    bands = torch.cat([a + b + c + d, a + b - c - d, a - b + c - d, a - b - c + d], dim=1) / 4
    torch.testing.assert_close(inverse_haar(bands), image)


def test_haar_as_a_product_of_matrices_is_the_same():
    x = torch.randn(2, 12, 3, 5).contiguous(memory_format=torch.channels_last)
    style = torch.randn(12)
    product = haar_product(x, style)
    torch.testing.assert_close(product, inverse_haar(x * style[:, None, None]))
    assert product.is_contiguous(memory_format=torch.channels_last)
