"""ReLU linear attention against timm's EfficientViT and against its own N x N matrix."""

import pytest
import torch
from timm.models.efficientvit_mit import LiteMLA
from torch import nn

from ablate.cost import count
from blocks.litemla import ReLULinearAttention
from blocks.tokens import to_map, to_tokens

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


class InDouble(LiteMLA):
    """timm's module, whose attention is cast to float32, in the precision of its input."""

    def _attn(self, q, k, v):
        out = q @ (k.transpose(-1, -2) @ v)
        return out[..., :-1] / (out[..., -1:] + self.eps)


@SIZES
@pytest.mark.parametrize("kernel", [None, 3, 5])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_equals_timm(image, same, height, width, kernel, training):
    block = ReLULinearAttention(12, 3, kernel=kernel, batch_norm=True).double()
    twin = InDouble(12, 12, heads=3, dim=4, scales=() if kernel is None else (kernel,)).double()
    with torch.no_grad():
        for tensor in block.parameters():
            tensor.add_(0.3 * torch.randn_like(tensor))
    twin.load_state_dict(dict(zip(twin.state_dict(), block.state_dict().values(), strict=True)))
    same(block.train(training), twin.train(training), image(12, height, width, batch=3), weights=False)


@SIZES
@pytest.mark.parametrize("heads", [1, 3])
def test_bare_form_equals_explicit_matrix(image, same, height, width, heads):
    block = ReLULinearAttention(12, heads, qkv_bias=True).double()

    def dense(x):
        qkv = to_tokens(block.qkv(x)).unflatten(-1, (heads, 3, -1))
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        products = q.relu() @ k.relu().transpose(-1, -2)
        matrix = products / (products.sum(-1, keepdim=True) + block.eps)
        return block.proj(to_map((matrix @ v).transpose(1, 2).flatten(2), height, width))

    same(block, dense, image(12, height, width))


@pytest.mark.parametrize("kernel", [None, 5])
def test_macs(kernel):
    N, C, d = 63, 24, 8
    second = 0 if kernel is None else N * C * C + 5 * N * C * d + 3 * kernel**2 * N * C
    macs = count(ReLULinearAttention(C, 3, kernel=kernel), (7, 9), channels=C).macs
    assert macs == 4 * N * C * C + 2 * N * C * d + second


def test_many_dead_tokens_stay_finite_in_half_precision():
    block = ReLULinearAttention(8, 1).half()
    with torch.no_grad():
        nn.init.constant_(block.qkv.weight[:8], -1.0)  # no query has a positive number: 0 / eps
        x = torch.rand(1, 8, 128, 128).half().contiguous(memory_format=torch.channels_last)
        assert block(x).isfinite().all()
        assert block.half()(8 * torch.randn_like(x)).isfinite().all()


def test_summary_is_a_matrix_a_head():
    assert ReLULinearAttention.summary_size(24, 3, 63) == 24 * 8
    assert ReLULinearAttention.summary_size(24, 3, 63, kernel=5, batch_norm=True) == 2 * 24 * 8


def test_bad_arguments():
    with pytest.raises(ValueError, match="kernel must be odd, got 4"):
        ReLULinearAttention(12, 3, kernel=4)
    with pytest.raises(ValueError, match="dim 12 cannot be split into 5 equal heads"):
        ReLULinearAttention(12, 5)
