"""Magnitude-aware linear attention against its own N x N matrix."""

import pytest
import torch
import torch.nn.functional as F

from ablate.cost import count
from blocks.mala import MagnitudeAwareAttention
from blocks.rotary import rotate
from blocks.tokens import to_map, to_tokens

OPTIONS = [{}, {"gate": True}, {"rope": True}, {"lepe": 3}, {"gate": True, "rope": True, "lepe": 5}]


def matrix_of(block, x):
    """The weights `(B, h, N, N)`, pair by pair, and the projections `(B, N, h, d)`."""
    H, W = x.shape[2:]
    N = H * W
    parts = block.qkv(to_tokens(x)).unflatten(-1, (-1, block.num_heads, block.head_dim)).unbind(2)
    q, k = (F.elu(part.transpose(1, 2)) + 1 for part in parts[:2])
    factor = 1 / (N * block.head_dim**0.5)
    total = (q @ k.transpose(2, 3) * factor).sum(-1, keepdim=True)
    if block.rope:
        q, k = (rotate(part.transpose(1, 2), H, W).transpose(1, 2) for part in (q, k))
    return (1 + 1 / total) * (q @ k.transpose(2, 3) * factor) - total / N, parts


def dense(block, x):
    H, W = x.shape[2:]
    matrix, parts = matrix_of(block, x)
    y = (matrix @ parts[2].transpose(1, 2)).transpose(1, 2).flatten(2)
    if block.lepe is not None:
        y = y + to_tokens(block.lepe.conv(to_map(parts[2].flatten(2), H, W)))
    if block.gate:
        y = y * parts[3].flatten(2)
    return to_map(block.proj(y), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "core")
def test_equals_explicit_matrix(image, same, options, height, width):
    block = MagnitudeAwareAttention(24, 3, **options).double()
    same(block, lambda x: dense(block, x), image(24, height, width))


def test_weights_sum_to_one_and_longer_queries_sharpen_them(image):
    block = MagnitudeAwareAttention(12, 3).double()
    x = image(12, 7, 9)
    short, _ = matrix_of(block, x)
    torch.testing.assert_close(short.sum(-1), torch.ones_like(short[..., 0]))
    with torch.no_grad():
        block.qkv.weight[:12] *= 20
    long, _ = matrix_of(block, x)
    torch.testing.assert_close(long.sum(-1), torch.ones_like(long[..., 0]))
    assert long.var(-1).mean() > 2 * short.var(-1).mean()


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        ({}, lambda N, C: 0),
        ({"gate": True}, lambda N, C: N * C**2),
        ({"rope": True}, lambda N, C: 0),
        ({"lepe": 5}, lambda N, C: 25 * N * C),
    ],
    ids=["core", "gate", "rope", "lepe"],
)
def test_macs_are_the_documented_formula(options, extra):
    N, C, d = 7 * 9, 24, 8
    expected = 4 * N * C**2 + 2 * N * C * d + extra(N, C)
    assert count(MagnitudeAwareAttention(C, 3, **options), (7, 9), channels=C).macs == expected


def test_many_tokens_stay_finite_in_half_precision():
    block = MagnitudeAwareAttention(8, 1).half()
    x = 4 * torch.randn(1, 8, 256, 256).half()
    with torch.no_grad():
        assert block(x).isfinite().all()
