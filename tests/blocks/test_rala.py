"""Rank-augmented linear attention against its own N x N matrix."""

import pytest
import torch
import torch.nn.functional as F

from ablate.cost import count
from blocks.rala import RankAugmentedAttention
from blocks.rotary import rotate
from blocks.tokens import to_map, to_tokens

OPTIONS = [{}, {"gate": True}, {"rope": True}, {"lepe": 3}, {"gate": True, "rope": True, "lepe": 5}]


def dense(block, x):
    """The definition, pair by pair, each head `(B, h, N, N)`."""
    H, W = x.shape[2:]
    N = H * W
    parts = block.qkv(to_tokens(x)).unflatten(-1, (-1, block.num_heads, block.head_dim)).unbind(2)
    q, k, v = (part.transpose(1, 2) for part in parts[:3])
    q, k = F.elu(q) + 1, F.elu(k) + 1
    scores = torch.stack([(q.mean(2) * k[:, :, j]).sum(-1) for j in range(N)], dim=-1)
    a = N * (scores / block.head_dim**0.5).softmax(-1)
    plain = a.unsqueeze(2) * (q @ k.transpose(2, 3))
    if block.rope:
        q, k = (rotate(part.transpose(1, 2), H, W).transpose(1, 2) for part in (q, k))
    products = a.unsqueeze(2) * (q @ k.transpose(2, 3))
    y = ((products / plain.sum(-1, keepdim=True)) @ v).transpose(1, 2).flatten(2)
    if block.lepe is not None:
        y = y + to_tokens(block.lepe.conv(to_map(parts[2].flatten(2), H, W)))
    if block.gate:
        y = y * parts[3].flatten(2)
    return to_map(block.proj(y), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "core")
def test_equals_explicit_matrix(image, same, options, height, width):
    block = RankAugmentedAttention(24, 3, **options).double()
    same(block, lambda x: dense(block, x), image(24, height, width))


def test_equal_keys_weigh_the_same(image):
    """With keys that are all equal, every query reads the mean of the values."""
    block = RankAugmentedAttention(12, 3).double()
    with torch.no_grad():
        block.qkv.weight[12:24] = 0
    x = image(12, 7, 9)
    v = to_tokens(x) @ block.qkv.weight[24:].T + block.qkv.bias[24:]
    expected = block.proj(v.mean(1, keepdim=True).expand_as(v))
    torch.testing.assert_close(block(x), to_map(expected, 7, 9))


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
    expected = 4 * N * C**2 + 2 * N * C * d + N * C + extra(N, C)
    assert count(RankAugmentedAttention(C, 3, **options), (7, 9), channels=C).macs == expected


def test_many_tokens_stay_finite_in_half_precision():
    block = RankAugmentedAttention(8, 1).half()
    x = 4 * torch.randn(1, 8, 256, 256).half()
    with torch.no_grad():
        assert block(x).isfinite().all()
