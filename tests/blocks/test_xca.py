"""Cross-covariance attention against timm's XCiT and a loop over its heads."""

import pytest
import torch
from timm.models.xcit import XCA

from ablate.cost import count
from blocks.tokens import to_map, to_tokens
from blocks.xca import CrossCovarianceAttention

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


def build(heads, bias=True):
    block = CrossCovarianceAttention(12, heads, qkv_bias=bias).double()
    with torch.no_grad():
        block.temperature.copy_(torch.linspace(0.5, 3, heads).view(-1, 1, 1))
    return block


@SIZES
@pytest.mark.parametrize("bias", [True, False])
def test_equals_timm(image, same, height, width, bias):
    block, twin = build(3, bias), XCA(12, 3, qkv_bias=bias).double()
    twin.load_state_dict(block.state_dict())
    same(
        block,
        lambda x: to_map(twin(to_tokens(x)), height, width),
        image(12, height, width),
        weights=False,
    )


@pytest.mark.parametrize("heads", [1, 3])
def test_equals_one_head_after_the_other(image, same, heads):
    block = build(heads)

    def reference(x):
        q, k, v = block.qkv(to_tokens(x)).chunk(3, dim=-1)
        mixed = []
        for head, channels in enumerate(torch.arange(12).chunk(heads)):
            a, b = (t[..., channels] / t[..., channels].square().sum(1, keepdim=True).sqrt() for t in (q, k))
            matrix = torch.exp(block.temperature[head] * (a.transpose(1, 2) @ b))
            matrix = matrix / matrix.sum(-1, keepdim=True)
            mixed.append(v[..., channels] @ matrix.transpose(1, 2))
        return to_map(block.proj(torch.cat(mixed, -1)), 7, 9)

    same(block, reference, image(12, 7, 9))


def test_macs_and_summary():
    N, C, d = 63, 24, 8
    assert count(CrossCovarianceAttention(C, 3), (7, 9), channels=C).macs == 4 * N * C * C + 2 * N * C * d
    assert CrossCovarianceAttention.summary_size(C, 3, N, qkv_bias=False) == C * d


def test_bad_heads():
    with pytest.raises(ValueError, match="dim 12 cannot be split into 5 equal heads"):
        CrossCovarianceAttention(12, 5)
