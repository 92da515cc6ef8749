"""Linear attention against its own N x N matrix."""

import pytest
import torch
import torch.nn.functional as F

from blocks.linear import LinearAttention
from blocks.tokens import to_map, to_tokens


def matrix_of(block, x):
    """The implied attention matrix `(B, h, N, N)` and the values `(B, h, N, d)`."""
    q, k, v = block.qkv(to_tokens(x)).unflatten(-1, (3, block.num_heads, -1)).permute(2, 0, 3, 1, 4)
    products = (F.elu(q) + 1) @ (F.elu(k) + 1).transpose(-1, -2)
    return products / products.sum(-1, keepdim=True), v


@pytest.mark.parametrize(("height", "width"), [(13, 9), (1, 1), (1, 7), (5, 3)])
@pytest.mark.parametrize("heads", [1, 3])
def test_equals_explicit_matrix(image, same, height, width, heads):
    block = LinearAttention(12, heads).double()

    def dense(x):
        matrix, v = matrix_of(block, x)
        torch.testing.assert_close(matrix.sum(-1), torch.ones_like(matrix[..., 0]))
        return to_map(block.proj((matrix @ v).transpose(1, 2).flatten(2)), height, width)

    same(block, dense, image(12, height, width))


def test_many_tokens_stay_finite_in_half_precision():
    block = LinearAttention(8, 1).half()
    x = 8 * torch.randn(1, 8, 256, 256).half().contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert block(x).isfinite().all()
