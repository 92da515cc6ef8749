"""Neighbourhood attention against softmax attention with an explicit N x N mask."""

import pytest
import torch

from ablate.cost import count
from blocks.neighbourhood import NeighbourhoodAttention
from blocks.softmax import SoftmaxAttention
from blocks.tokens import to_map, to_tokens


def seen(i, side, window):
    """The positions that position i sees along one side: the window nearest to it that lies inside."""
    if side <= window:
        return range(side)
    nearest = [start for start in range(side - window + 1) if start <= i < start + window]
    start = min(nearest, key=lambda start: abs(start + window // 2 - i))
    return range(start, start + window)


def dense(block, x):
    H, W = x.shape[2:]
    N, w = H * W, block.window
    q, k, v = block.qkv(to_tokens(x)).unflatten(-1, (3, block.num_heads, -1)).permute(2, 0, 3, 1, 4)
    bias = x.new_full((block.num_heads, N, N), -torch.inf)
    for i in range(N):
        for row in seen(i // W, H, w):
            for column in seen(i % W, W, w):
                value = 0.0
                if block.relative_bias is not None:
                    value = block.relative_bias[:, row - i // W + w - 1, column - i % W + w - 1]
                bias[:, i, row * W + column] = value
    y = (q @ k.transpose(2, 3) * block.head_dim**-0.5 + bias).softmax(-1) @ v
    return to_map(block.proj(y.transpose(1, 2).flatten(2)), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7), (5, 4)])
@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("relative_bias", [False, True], ids=["", "bias"])
def test_equals_explicit_mask(image, same, relative_bias, window, height, width):
    block = NeighbourhoodAttention(12, 3, window=window, relative_bias=relative_bias).double()
    same(block, lambda x: dense(block, x), image(12, height, width))


def test_window_of_the_whole_map_is_softmax(image, same):
    block, softmax = NeighbourhoodAttention(12, 3, window=9).double(), SoftmaxAttention(12, 3).double()
    softmax.load_state_dict(block.state_dict())
    same(block, softmax, image(12, 9, 7), weights=False)


@pytest.mark.parametrize("window", [3, 7])
def test_macs_are_the_documented_formula(window):
    N, C = 9 * 11, 24
    block = NeighbourhoodAttention(C, 3, window=window)
    assert count(block, (9, 11), channels=C).macs == 4 * N * C**2 + 2 * window**2 * N * C


def test_window_needs_a_centre():
    with pytest.raises(ValueError, match="window must be odd, got 4"):
        NeighbourhoodAttention(12, 3, window=4)
