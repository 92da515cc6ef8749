"""The attention-free mixer against its own N x N matrix for every channel."""

import pytest
import torch

from ablate.cost import count
from blocks.aft import AttentionFreeMixer
from blocks.tokens import to_map, to_tokens

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


def position_matrix(p, height, width):
    """p at the offset of every pair, `(h, N, N)`, 0 beyond the kernel."""
    half = p.shape[-1] // 2
    places = [(row, column) for row in range(height) for column in range(width)]
    rows = []
    for row, column in places:
        for other_row, other_column in places:
            down, right = other_row - row + half, other_column - column + half
            inside = 0 <= down <= 2 * half and 0 <= right <= 2 * half
            rows.append(p[:, 0, down, right] if inside else torch.zeros_like(p[:, 0, 0, 0]))
    return torch.stack(rows, -1).unflatten(-1, (len(places), len(places)))


def dense(block, x, p):
    """Every weight written out: `(B, C, N, N)`."""
    q, k, v = block.qkv(to_tokens(x)).chunk(3, dim=-1)
    weights = k.exp().transpose(1, 2).unsqueeze(2)
    if p is not None:
        matrix = position_matrix(p, *x.shape[2:]).exp()
        weights = weights * matrix.repeat_interleave(block.head_dim, dim=0)
    matrix = weights.expand(-1, -1, k.shape[1], -1)
    matrix = matrix / matrix.sum(-1, keepdim=True)
    y = torch.einsum("bcij,bjc->bic", matrix, v)
    return to_map(block.proj(y / (1 + torch.exp(-q))), *x.shape[2:])


@SIZES
@pytest.mark.parametrize(("heads", "kernel"), [(1, 7), (3, 3), (6, 5)])
def test_conv_equals_explicit_matrix(image, same, height, width, heads, kernel):
    block = AttentionFreeMixer(6, heads, kernel=kernel).double()
    with torch.no_grad():
        block.position_bias.mul_(50)
    same(block, lambda x: dense(block, x, block.position_bias), image(6, height, width))


@SIZES
def test_standardised_equals_explicit_matrix(image, same, height, width):
    block = AttentionFreeMixer(6, 2, kernel=3, standardise=True).double()
    with torch.no_grad():
        block.gamma.copy_(torch.tensor([0.5, 2.0]).view(2, 1, 1, 1))
        block.beta.copy_(torch.tensor([0.3, -1.0]).view(2, 1, 1, 1))

    def reference(x):
        p = block.position_bias
        centred = p - p.mean((2, 3), keepdim=True)
        std = (centred.square().sum((2, 3), keepdim=True) / 8).sqrt()
        return dense(block, x, block.gamma * centred / std + block.beta)

    same(block, reference, image(6, height, width))


@SIZES
def test_simple_equals_explicit_matrix(image, same, height, width):
    block = AttentionFreeMixer(6, 1, form="simple", qkv_bias=False).double()
    same(block, lambda x: dense(block, x, None), image(6, height, width))


def test_large_keys_and_half_precision_stay_finite():
    block = AttentionFreeMixer(8, 2, kernel=3)
    with torch.no_grad():
        block.qkv.weight.mul_(1000)
    x = torch.randn(1, 8, 64, 64).contiguous(memory_format=torch.channels_last)
    assert block(x).isfinite().all()
    assert block.half()(x.half() / 1000).isfinite().all()


def test_macs_and_summary():
    N, C = 63, 24
    assert count(AttentionFreeMixer(C, 3), (7, 9), channels=C).macs == 4 * N * C * C + 98 * N * C
    simple = AttentionFreeMixer(C, 3, form="simple")
    assert count(simple, (7, 9), channels=C).macs == 4 * N * C * C
    assert AttentionFreeMixer.summary_size(C, 3, N, form="simple") == C


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 4}, "kernel must be odd, got 4"),
        ({"form": "full"}, "form must be 'conv' or 'simple', got 'full'"),
        ({"form": "simple", "standardise": True}, "standardise is of the position bias"),
        ({"kernel": 1, "standardise": True}, "standardise needs a kernel of more than one place"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionFreeMixer(8, 2, **arguments)
