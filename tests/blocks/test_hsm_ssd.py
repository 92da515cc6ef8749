"""The hidden-state mixer against timm's EfficientViM."""

import pytest
import torch
from timm.models.efficientvim import HSMSSD
from torch.func import functional_call

from ablate.cost import count
from blocks.hsm_ssd import HiddenStateMixer


def timm_says(block, x, state):
    """timm's module with the block's parameters themselves; its offset is any number where we have none."""
    dim = x.shape[1]
    twin = HSMSSD(dim, ssd_expand=block.proj.in_features / dim, state_dim=state).double()
    weights = {
        "BCdt_proj.conv.weight": block.bcd.weight[..., None],
        "dw.conv.weight": block.local.weight,
        "hz_proj.conv.weight": block.hz.weight[..., None],
        "out_proj.conv.weight": block.proj.weight[..., None],
        "D": block.skip,
    }
    if block.offset is not None:
        weights["A"] = block.offset
    y, _ = functional_call(twin, weights, (x,))
    return y


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7), (13, 8)])
@pytest.mark.parametrize("options", [{}, {"expand": 1.5}, {"offset": True}], ids=["", "expand", "offset"])
def test_equals_timm(image, same, options, height, width):
    block = HiddenStateMixer(12, state=5, **options).double()
    same(block, lambda x: timm_says(block, x, 5), image(12, height, width))


def test_offset_cancels(image):
    block = HiddenStateMixer(12, state=5, offset=True).double()
    x = image(12, 7, 9)
    before = block(x)
    with torch.no_grad():
        block.offset.normal_()
    torch.testing.assert_close(block(x), before)


@pytest.mark.parametrize(("state", "expand", "kernel"), [(64, 1, 3), (16, 2, 5)])
def test_macs_are_the_documented_formula(state, expand, kernel):
    N, C, S = 7 * 9, 24, state
    block = HiddenStateMixer(C, state=state, expand=expand, kernel=kernel)
    expected = 5 * N * C * S + 3 * kernel**2 * N * S + 3 * expand * S * C**2
    assert count(block, (7, 9), channels=C).macs == expected


def test_sizes_that_cannot_be():
    with pytest.raises(ValueError, match="state must be at least 1, got 0"):
        HiddenStateMixer(12, state=0)
    with pytest.raises(ValueError, match="kernel must be odd, got 4"):
        HiddenStateMixer(12, kernel=4)
