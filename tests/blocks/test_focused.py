"""Focused linear attention against its own N x N matrix."""

import pytest
import torch

from ablate.cost import count
from blocks.focused import EPSILON, FocusedLinearAttention, length, sharpen
from blocks.tokens import to_map, to_tokens


def focus(x, power):
    """The feature of the definition, with nothing rescaled."""
    r = x.relu() + EPSILON
    return r**power * r.norm(dim=-1, keepdim=True) / (r**power).norm(dim=-1, keepdim=True)


def dense(block, x):
    H, W = x.shape[2:]
    q, k, v = block.qkv(to_tokens(x)).unflatten(-1, (3, block.num_heads, -1)).permute(2, 0, 3, 1, 4)
    products = focus(q, block.power) @ focus(k, block.power).transpose(2, 3)
    y = (products / products.sum(-1, keepdim=True) @ v).transpose(1, 2).flatten(2)
    if block.lepe is not None:
        y = y + to_tokens(block.lepe.conv(to_map(v.transpose(1, 2).flatten(2), H, W)))
    return to_map(block.proj(y), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])
@pytest.mark.parametrize("options", [{}, {"power": 1}, {"power": 4}, {"lepe": 5}], ids=str)
def test_equals_explicit_matrix(image, same, options, height, width):
    block = FocusedLinearAttention(24, 3, **options).double()
    same(block, lambda x: dense(block, x), image(24, height, width))


def test_length_stays_and_direction_sharpens():
    x = torch.tensor([3.0, 4.0, -1.0], dtype=torch.float64)
    feature = sharpen(x, 3) * length(x)
    assert feature.norm().item() == pytest.approx(5, rel=1e-6)
    assert (feature[1] / feature[0]).item() == pytest.approx((4 / 3) ** 3, rel=1e-5)


def test_queries_without_a_positive_channel_in_half_precision():
    block = FocusedLinearAttention(8, 4).half()
    with torch.no_grad():
        block.qkv.bias[:8] = -100
        x = torch.randn(1, 8, 64, 64).half()
        assert block(x).isfinite().all()


@pytest.mark.parametrize("lepe", [0, 5])
def test_macs_are_the_documented_formula(lepe):
    N, C, d = 7 * 9, 24, 8
    expected = 4 * N * C**2 + 2 * N * C * d + lepe**2 * N * C
    assert count(FocusedLinearAttention(C, 3, lepe=lepe), (7, 9), channels=C).macs == expected
