"""The forms that blocks take in an exported graph equal the blocks, in float64, for any size."""

import pytest
import torch

from blocks.agent import _any_size
from blocks.gfnet import GlobalFilter
from blocks.gfnet_graph import transform
from blocks.selective_scan import selective_scan
from blocks.ss2d_graph import token_by_token
from blocks.window import WindowAttention
from blocks.window_graph import attend

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (13, 8), (12, 16)])


@SIZES
@pytest.mark.parametrize("shift", [False, True])
def test_windows(image, same, height, width, shift):
    block = WindowAttention(12, 3, size=4, shift=shift).double()
    same(block, lambda x: attend(block, x), image(12, height, width))


@SIZES
@pytest.mark.parametrize("size", [7, 8])
def test_the_global_filter(image, same, height, width, size):
    block = GlobalFilter(3, size=size).double()
    same(block, lambda x: transform(block, x), image(3, height, width))


@SIZES
@pytest.mark.parametrize("size", [1, 3, 7])
def test_adaptive_pooling(image, height, width, size):
    x = image(2, height, width)
    torch.testing.assert_close(_any_size(x, size), torch.nn.functional.adaptive_avg_pool2d(x, size))


def test_the_selective_scan():
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    B, K, N, D, S = 2, 4, 11, 6, 3
    inputs = drawn(B, K, N, D) - 0.5, drawn(B, K, N, D), -drawn(K, D, S), drawn(B, K, N, S), drawn(B, K, N, S)
    torch.testing.assert_close(token_by_token(*inputs), selective_scan(*inputs))
