from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.runners.convolution import WrittenConvolution, unwritten

SIZES = [(1, 1), (2, 2), (1, 4), (2, 5), (7, 7)]
KERNELS = [(3, 1), (3, 2), (5, 2), (7, 2), (7, 4)]


def poison() -> None:
    """Fill memory that the allocator will hand out next with NaN."""
    sizes = [2**power for power in range(6, 17, 2)] * 4
    junk = [torch.full((size,), torch.nan) for size in sizes]
    junk += [torch.full((size,), torch.nan, dtype=torch.bfloat16) for size in sizes]
    del junk


def gradients(
    conv: nn.Conv2d, x: Tensor, precision: str, context: Callable[[], AbstractContextManager[object]]
) -> list[Tensor]:
    conv.zero_grad()
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), context():
        y = conv(x)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    poison()
    y.float().backward(upstream)
    assert x.grad is not None
    assert conv.weight.grad is not None
    return [y.detach().float(), x.grad, conv.weight.grad.clone()]


@pytest.mark.parametrize("groups", [1, 16])
@pytest.mark.parametrize(("kernel", "stride"), KERNELS)
@pytest.mark.parametrize("size", SIZES)
def test_gradients_of_small_maps_are_written(size: tuple[int, int], kernel: int, stride: int, groups: int):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, kernel, stride, kernel // 2, groups=groups).to(memory_format=torch.channels_last)
    x = torch.randn(8, 16, *size).contiguous(memory_format=torch.channels_last)
    exact = gradients(conv, x, "fp32", nullcontext)
    for _ in range(3):
        for ours, wanted in zip(gradients(conv, x, "bf16", WrittenConvolution), exact, strict=True):
            assert float((ours - wanted).norm()) <= 0.03 * float(wanted.norm()) + 1e-6


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(("kernel", "stride"), KERNELS)
def test_taps_that_meet_only_padding(size: int, kernel: int, stride: int):
    """The weight's exact gradient for an input and an upstream of ones is zero there, and only there."""
    weight = torch.ones(1, 1, kernel, 1, requires_grad=True)
    F.conv2d(torch.ones(1, 1, size, 1), weight, None, (stride, 1), (kernel // 2, 0)).sum().backward()
    assert weight.grad is not None
    assert unwritten(size, kernel, stride, kernel // 2, 1) == bool((weight.grad == 0).any())


def test_other_calls_go_through_unchanged():
    x = torch.randn(2, 3, 9, 9)
    for arguments in ({"padding": "same"}, {"stride": 2, "padding": 1}, {"dilation": 2}):
        weight = torch.randn(4, 3, 3, 3)
        with WrittenConvolution():
            ours = F.conv2d(x, weight, **arguments)
        assert torch.equal(ours, F.conv2d(x, weight, **arguments))
