"""The taken-apart convolution against timm's InceptionNeXt and against one full depthwise kernel."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.inception_next import InceptionDWConv2d

from ablate.cost import count
from blocks.inception import InceptionMixer

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7), (13, 2)])


@SIZES
@pytest.mark.parametrize(("kernel", "band", "branch"), [(3, 11, 0.125), (5, 7, 0.3), (1, 3, 1 / 3)])
def test_equals_timm(image, same, height, width, kernel, band, branch):
    block = InceptionMixer(20, kernel=kernel, band=band, branch=branch).double()
    twin = InceptionDWConv2d(20, kernel, band, branch).double()
    twin.load_state_dict(dict(zip(twin.state_dict(), block.state_dict().values(), strict=True)))
    same(block, twin, image(20, height, width), weights=False)


def test_equals_one_kernel_with_zeros(image, same):
    block = InceptionMixer(8, kernel=3, band=5, branch=0.25).double()

    def composition(x):
        pieces = [
            F.pad(torch.ones(2, 1, 1, 1).double(), (2, 2, 2, 2)),  # the channels that pass by
            F.pad(block.square.weight, (1, 1, 1, 1)),
            F.pad(block.row.weight, (0, 0, 2, 2)),
            F.pad(block.column.weight, (2, 2)),
        ]
        biases = [torch.zeros(2).double(), block.square.bias, block.row.bias, block.column.bias]
        return F.conv2d(x, torch.cat(pieces), torch.cat(biases), padding=2, groups=8)

    same(block, composition, image(8, 7, 9))


def test_macs_and_summary():
    assert count(InceptionMixer(24), (7, 9), channels=24).macs == (9 + 22) * 63 * 3
    macs = count(InceptionMixer(24, kernel=5, band=7, branch=0.25), (7, 9), channels=24).macs
    assert macs == (25 + 14) * 63 * 6
    assert InceptionMixer.summary_size(24, 3, 63, band=7) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 2}, "kernel must be odd, got 2"),
        ({"band": 0}, "band must be at least 1, got 0"),
        ({"branch": 0.5}, r"branch must lie in \(0, 1/3\], got 0.5"),
        ({"branch": 0.1}, "branch must leave at least one channel, got 0.1 for dim 8"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        InceptionMixer(8, **arguments)
