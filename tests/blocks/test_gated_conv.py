"""Gated convolution against timm's MambaOut block and a plain composition."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.mambaout import GatedConvBlock
from torch import nn

from ablate.cost import count
from blocks.gated_conv import GatedConvMixer

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


@SIZES
@pytest.mark.parametrize(("expand", "kernel", "partial"), [(8 / 3, 7, 1.0), (2, 3, 0.5), (1, 5, 1.0)])
def test_equals_timm(image, same, height, width, expand, kernel, partial):
    block = GatedConvMixer(12, expand=expand, kernel=kernel, partial=partial).double()
    twin = GatedConvBlock(12, expand, kernel, partial, norm_layer=nn.Identity).double()
    twin.load_state_dict(dict(zip(twin.state_dict(), block.state_dict().values(), strict=True)))

    def branch(x):
        y = x.permute(0, 2, 3, 1)
        return (twin(y) - y).permute(0, 3, 1, 2)

    same(block, branch, image(12, height, width), weights=False)


def test_equals_torch_with_gradients_of_weights(image, same):
    block = GatedConvMixer(6, expand=1.5, kernel=3, partial=0.5).double()

    def composition(x):
        y = F.conv2d(x, block.expand.weight[..., None, None], block.expand.bias)
        moved = F.conv2d(y[:, 15:], block.depthwise.weight, block.depthwise.bias, padding=1, groups=3)
        y = F.gelu(y[:, :9]) * torch.cat([y[:, 9:15], moved], 1)
        return F.conv2d(y, block.project.weight[..., None, None], block.project.bias)

    same(block, composition, image(6, 7, 9))


def test_macs_and_summary():
    N, C = 63, 24
    assert count(GatedConvMixer(C), (7, 9), channels=C).macs == 6 * N * C * C + 49 * N * C
    macs = count(GatedConvMixer(C, expand=3, kernel=5, partial=0.25), (7, 9), channels=C).macs
    assert macs == 9 * N * C * C + 25 * N * C // 4
    assert GatedConvMixer.summary_size(C, 1, N, kernel=3) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 4}, "kernel must be odd, got 4"),
        ({"expand": -1.0}, "expand must leave at least one hidden channel"),
        ({"partial": 2.5}, "partial must leave 1 to 16 channels to convolve, got 2.5 for dim 8"),
        ({"partial": 0.0}, "partial must leave 1 to 16 channels"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GatedConvMixer(8, **arguments)
