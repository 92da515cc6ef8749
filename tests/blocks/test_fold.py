"""Batch norm folded into its neighbours, against running both in evaluation mode."""

import pytest
import torch
from torch import nn

from blocks.fold import fold_after, fold_before, scale_and_shift


def norm(channels, affine=True):
    bn = nn.BatchNorm2d(channels, affine=affine).double().eval()
    bn.running_mean.uniform_(-1, 1)
    bn.running_var.uniform_(0.5, 2)
    if affine:
        nn.init.uniform_(bn.weight, -1, 2)
        nn.init.uniform_(bn.bias, -1, 1)
    return bn


CONVOLUTIONS = pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 1, "bias": False},
        {"kernel_size": 3, "stride": 2, "groups": 2},
        {"kernel_size": (1, 3), "groups": 4, "bias": False},
    ],
    ids=["pointwise", "no bias", "grouped", "depthwise"],
)


@CONVOLUTIONS
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("padding", [0, 1])
def test_norm_after_convolution(image, same, options, affine, padding):
    conv, bn = nn.Conv2d(4, 8, padding=padding, **options).double(), norm(8, affine)
    same(fold_after(conv, bn), lambda x: bn(conv(x)), image(4, 7, 9), weights=False)


@CONVOLUTIONS
@pytest.mark.parametrize("affine", [True, False])
def test_norm_before_convolution(image, same, options, affine):
    conv, bn = nn.Conv2d(4, 8, **options).double(), norm(4, affine)
    same(fold_before(bn, conv), lambda x: conv(bn(x)), image(4, 7, 9), weights=False)


def test_norm_of_a_linear_layer(same):
    linear, x = nn.Linear(5, 3).double(), torch.randn(7, 5).double().requires_grad_()
    bn = nn.BatchNorm1d(3).double().eval()
    bn.running_mean.uniform_(-1, 1)
    same(fold_after(linear, bn), lambda x: bn(linear(x)), x, weights=False)
    before = nn.BatchNorm1d(5).double().eval()
    before.running_var.uniform_(0.5, 2)
    same(fold_before(before, linear), lambda x: linear(before(x)), x, weights=False)


def test_memory_format_and_the_original_are_kept():
    conv = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
    before = conv.weight.clone()
    folded = fold_after(conv, norm(8).float())
    assert folded.weight.is_contiguous(memory_format=torch.channels_last)
    assert folded.weight.dtype == torch.float32
    assert torch.equal(conv.weight, before)


def test_what_cannot_be_folded():
    with pytest.raises(ValueError, match="padded convolution"):
        fold_before(norm(4), nn.Conv2d(4, 8, 3, padding=1))
    with pytest.raises(ValueError, match="padded convolution"):
        fold_before(norm(4), nn.Conv2d(4, 8, 3, padding="same"))
    with pytest.raises(ValueError, match="running statistics"):
        scale_and_shift(nn.BatchNorm2d(4, track_running_stats=False))
