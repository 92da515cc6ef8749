"""Softmax attention against PyTorch's and timm's modules."""

import pytest
import torch
from timm.layers.attention import Attention
from torch import nn

from blocks.softmax import SoftmaxAttention
from blocks.tokens import to_map, to_tokens

SIZES = [(13, 9), (1, 1), (1, 7), (5, 3)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_multihead_attention(image, same, height, width):
    block = SoftmaxAttention(24, 3).double()
    reference = nn.MultiheadAttention(24, 3, batch_first=True).double()
    reference.in_proj_weight, reference.in_proj_bias = block.qkv.weight, block.qkv.bias
    reference.out_proj.weight, reference.out_proj.bias = block.proj.weight, block.proj.bias

    def dense(x):
        tokens = to_tokens(x)
        return to_map(reference(tokens, tokens, tokens)[0], height, width)

    same(block, dense, image(24, height, width))


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_equals_timm(image, same, qkv_bias):
    block = SoftmaxAttention(32, 4, qkv_bias=qkv_bias).double()
    reference = Attention(32, 4, qkv_bias=qkv_bias).double()
    reference.load_state_dict(block.state_dict())
    same(block, lambda x: to_map(reference(to_tokens(x)), 5, 7), image(32, 5, 7), weights=False)


def test_explicit_product(image, same):
    block = SoftmaxAttention(12, 2).double()

    def explicit(x):
        q, k, v = block.qkv(to_tokens(x)).unflatten(-1, (3, 2, 6)).permute(2, 0, 3, 1, 4)
        matrix = (q @ k.transpose(-1, -2) * 6**-0.5).softmax(-1)
        return to_map(block.proj((matrix @ v).transpose(1, 2).flatten(2)), 13, 9)

    same(block, explicit, image(12, 13, 9))


def test_heads_must_divide():
    with pytest.raises(ValueError, match="dim 24 cannot be split into 5 equal heads"):
        SoftmaxAttention(24, 5)
    with pytest.raises(ValueError, match="num_heads must be at least 1, got 0"):
        SoftmaxAttention(24, 0)


def test_explicit_product_is_what_runs_on_meta():
    block = SoftmaxAttention(12, 2).to("meta")
    assert block(torch.empty(2, 12, 3, 5, device="meta")).shape == (2, 12, 3, 5)
