"""Spatial-reduction attention against timm's PVTv2."""

import pytest
import torch
from timm.models.pvt_v2 import Attention

from blocks.softmax import SoftmaxAttention
from blocks.sra import SpatialReductionAttention
from blocks.tokens import to_map, to_tokens

NAMES = {"reduce": "sr"}


def timm_twin(block, dim, heads, ratio):
    """timm's module with the block's parameters themselves, so that gradients meet in the same tensors."""
    twin = Attention(dim, heads, sr_ratio=ratio).double()
    for name, parameter in block.named_parameters():
        module, _, leaf = name.partition(".")
        setattr(twin.get_submodule(NAMES.get(module, module)), leaf, parameter)
    if ratio > 1:
        twin.norm.eps = 1e-6
    return twin


@pytest.mark.parametrize("ratio", [1, 2, 4])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (13, 9), (5, 4)])
def test_equals_timm(image, same, ratio, height, width):
    block = SpatialReductionAttention(12, 3, ratio=ratio).double()
    twin = timm_twin(block, 12, 3, ratio)
    same(
        block, lambda x: to_map(twin(to_tokens(x), [height, width]), height, width), image(12, height, width)
    )


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (3, 9)])
def test_short_sides_have_one_key(image, same, height, width):
    """A side shorter than the ratio acts as if padded with zeros, of which only the real part asks."""
    block = SpatialReductionAttention(12, 3, ratio=4).double()
    twin = timm_twin(block, 12, 3, 4)
    padded = max(height, 4), max(width, 4)

    def dense(x):
        canvas = x.new_zeros(2, 12, *padded)
        canvas[..., :height, :width] = x
        y = twin(to_tokens(canvas), list(padded))
        return to_map(y, *padded)[..., :height, :width]

    same(block, dense, image(12, height, width))


def test_ratio_one_is_softmax(image, same):
    block = SpatialReductionAttention(12, 3, ratio=1).double()
    softmax = SoftmaxAttention(12, 3).double()
    with torch.no_grad():
        softmax.qkv.weight.copy_(torch.cat([block.q.weight, block.kv.weight]))
        softmax.qkv.bias.copy_(torch.cat([block.q.bias, block.kv.bias]))
    softmax.proj.load_state_dict(block.proj.state_dict())
    same(block, softmax, image(12, 5, 3), weights=False)


def test_bad_ratio():
    with pytest.raises(ValueError, match="ratio must be at least 1, got 0"):
        SpatialReductionAttention(12, 3, ratio=0)
