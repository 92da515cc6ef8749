"""Separable self-attention against timm's MobileViTv2."""

import pytest
import torch
from timm.models.mobilevit import LinearSelfAttention
from torch.func import functional_call

from ablate.cost import count
from blocks.separable import SeparableAttention


def timm_says(block, x):
    """timm's module on patches of one position, with the block's parameters themselves."""
    dim, (height, width) = x.shape[1], x.shape[2:]
    twin = LinearSelfAttention(dim, bias=block.qkv.bias is not None).double()
    weights = {"qkv_proj.weight": block.qkv.weight[..., None, None], "qkv_proj.bias": block.qkv.bias}
    weights |= {"out_proj.weight": block.proj.weight[..., None, None], "out_proj.bias": block.proj.bias}
    weights = {name: tensor for name, tensor in weights.items() if tensor is not None}
    return functional_call(twin, weights, (x.flatten(2).unsqueeze(2),)).unflatten(3, (height, width))[:, :, 0]


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7), (13, 8)])
def test_equals_timm(image, same, height, width):
    block = SeparableAttention(12).double()
    same(block, lambda x: timm_says(block, x), image(12, height, width))


def test_bias_is_an_argument():
    assert SeparableAttention(12, qkv_bias=False).qkv.bias is None


def test_macs_are_the_documented_formula():
    N, C = 7 * 9, 24
    assert count(SeparableAttention(C), (7, 9), channels=C).macs == 3 * N * C**2 + 2 * N * C


def test_many_tokens_in_half_precision(image):
    """65,536 weights that half precision could not add up."""
    block = SeparableAttention(8)
    x = torch.randn(1, 8, 256, 256)
    with torch.no_grad():
        expected = block(x)
        got = block.bfloat16()(x.bfloat16()).float()
    assert (got - expected).norm() < 0.02 * expected.norm()
