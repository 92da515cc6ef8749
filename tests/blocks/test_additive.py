"""Efficient additive attention against timm's SwiftFormer."""

import pytest
import torch
from timm.models.swiftformer import EfficientAdditiveAttention
from torch.func import functional_call

from ablate.cost import count
from blocks.additive import AdditiveAttention


def timm_says(block, x):
    """timm's module with the block's parameters themselves."""
    dim = x.shape[1]
    twin = EfficientAdditiveAttention(dim, dim).double()
    weights = {
        "to_query.weight": block.qk.weight[:dim],
        "to_query.bias": block.qk.bias[:dim],
        "to_key.weight": block.qk.weight[dim:],
        "to_key.bias": block.qk.bias[dim:],
        "w_g": block.weight.weight.T,
        "proj.weight": block.mix.weight,
        "proj.bias": block.mix.bias,
        "final.weight": block.proj.weight,
        "final.bias": block.proj.bias,
    }
    return functional_call(twin, weights, (x,))


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7), (13, 8)])
def test_equals_timm(image, same, height, width):
    block = AdditiveAttention(12).double()
    same(block, lambda x: timm_says(block, x), image(12, height, width))


def test_order_of_tokens_does_not_matter(image):
    block = AdditiveAttention(12).double()
    x, order = image(12, 1, 31), torch.randperm(31)
    torch.testing.assert_close(block(x[..., order]), block(x)[..., order])


def test_macs_are_the_documented_formula():
    N, C = 7 * 9, 24
    assert count(AdditiveAttention(C), (7, 9), channels=C).macs == 4 * N * C**2 + 2 * N * C
