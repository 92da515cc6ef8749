"""Mamba-like linear attention against its own N x N matrix."""

import pytest
import torch.nn.functional as F

from ablate.cost import count
from blocks.mila import MambaLikeLinearAttention
from blocks.rotary import rotate
from blocks.tokens import to_map, to_tokens

PAPER = {"conv": 3, "gate": True, "rope": True, "lepe": 3}
OPTIONS = [{}, *({name: value} for name, value in PAPER.items()), PAPER]


def dense(block, x):
    """The definition, pair by pair, each head `(B, h, N, N)`."""
    H, W = x.shape[2:]
    parts = block.input(to_tokens(x)).chunk(2 if block.gate else 1, dim=-1)
    v = parts[0]
    if block.conv is not None:
        v = to_tokens(F.silu(block.conv(to_map(v, H, W))))
    q, k = (F.elu(part) + 1 for part in block.qk(v).chunk(2, dim=-1))

    def heads(part):
        return part.unflatten(-1, (block.num_heads, -1)).transpose(1, 2)

    plain = heads(q) @ heads(k).transpose(2, 3)
    if block.rope:
        q, k = (rotate(part.unsqueeze(2), H, W).squeeze(2) for part in (q, k))
    weights = heads(q) @ heads(k).transpose(2, 3) / plain.sum(-1, keepdim=True)
    y = (weights @ heads(v)).transpose(1, 2).flatten(2)
    if block.lepe is not None:
        y = y + to_tokens(block.lepe.conv(to_map(v, H, W)))
    if block.gate:
        y = y * F.silu(parts[1])
    return to_map(block.proj(y), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "core")
def test_equals_explicit_matrix(image, same, options, height, width):
    block = MambaLikeLinearAttention(24, 3, **options).double()
    same(block, lambda x: dense(block, x), image(24, height, width))


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        ({}, lambda N, C: 0),
        ({"gate": True}, lambda N, C: N * C**2),
        ({"rope": True}, lambda N, C: 0),
        ({"lepe": 3, "conv": 5}, lambda N, C: (9 + 25) * N * C),
    ],
    ids=["core", "gate", "rope", "convolutions"],
)
def test_macs_are_the_documented_formula(options, extra):
    N, C, d = 7 * 9, 24, 8
    expected = 4 * N * C**2 + 2 * N * C * d + extra(N, C)
    assert count(MambaLikeLinearAttention(C, 3, **options), (7, 9), channels=C).macs == expected


def test_channels_that_cannot_be_rotated():
    with pytest.raises(ValueError, match="4 must divide 6"):
        MambaLikeLinearAttention(6, 3, rope=True)
