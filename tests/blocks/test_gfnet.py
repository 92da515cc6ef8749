"""The global filter against a circular convolution, written out as an N x N matrix."""

import math

import pytest
import torch

from ablate.cost import count
from blocks.gfnet import GlobalFilter

SIZES = pytest.mark.parametrize("size", [7, 8, 1])


def circular(x, spectrum):
    """The convolution whose transfer function is given, by the definition of the discrete transform.

    `x` is `(B, C, H, W)`, `spectrum` complex `(H, W // 2 + 1, C)`; the missing half is the conjugate one.
    """
    H, W = x.shape[2:]
    r, c = torch.arange(H).double(), torch.arange(W).double()
    rows = torch.exp(2j * math.pi * r[:, None] * r / H)
    columns = torch.exp(2j * math.pi * c[:, None] * c / W)
    full = torch.zeros(H, W, x.shape[1], dtype=torch.complex128)
    for u in range(H):
        for v in range(W):
            mirrored = v > W // 2
            value = spectrum[-u % H, W - v].conj() if mirrored else spectrum[u, v]
            if not mirrored and v in (0, W / 2):  # of a real signal these columns are their own mirror image
                value = (value + spectrum[-u % H, v].conj()) / 2
            full = full + value * torch.eye(H * W, dtype=torch.complex128)[u * W + v].view(H, W, 1)
    frequencies = torch.einsum("ru,cv,uvk->rck", rows, columns, full).real / (H * W)  # the kernel in pixels
    out = torch.zeros_like(x)
    for row in range(H):
        for column in range(W):
            shifted = x.roll((row, column), (2, 3))
            out = out + shifted * frequencies[row, column].view(1, -1, 1, 1)
    return out


@SIZES
def test_equals_circular_convolution(image, same, size):
    block = GlobalFilter(3, size=size).double()
    same(block, lambda x: circular(x, torch.view_as_complex(block.filter)), image(3, size, size))


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (6, 5), (16, 4)])
@pytest.mark.parametrize("size", [8, 7])
def test_other_sizes_interpolate_the_filter(image, same, height, width, size):
    block = GlobalFilter(2, size=size).double()

    def between(values, place, periodic):
        """Linear interpolation in a list, by hand."""
        last = len(values) - 1
        low = math.floor(place)
        high = (low + 1) % len(values) if periodic else min(low + 1, last)
        return values[min(low, last)] * (1 - (place - low)) + values[high] * (place - low)

    def reference(x):
        learned = torch.view_as_complex(block.filter)
        rows = [between(learned, u * size / height, True) for u in range(height)]
        columns = [
            torch.stack([between(row, v * size / width, False) for v in range(width // 2 + 1)])
            for row in rows
        ]
        return circular(x, torch.stack(columns))

    same(block, reference, image(2, height, width))


def test_the_filter_stays_the_same_in_pixels(image):
    """A filter that shifts by one pixel shifts by one pixel in a larger map too."""
    block = GlobalFilter(2, size=32).double()
    with torch.no_grad():
        turn = torch.exp(-2j * math.pi * torch.arange(32) / 32).view(-1, 1, 1).expand(32, 17, 2)
        block.filter.copy_(torch.view_as_real(turn))
        x = image(2, 64, 32)
        difference = block(x) - x.roll(1, 2)
    assert difference.abs().mean() < 0.01 * x.abs().mean()


def test_counted_as_elementwise_work():
    C, H, W = 6, 8, 16
    cost = count(GlobalFilter(C, size=8), (H, W), channels=C)
    assert cost.macs == 0
    assert not cost.uncounted
    half = W // 2 + 1
    transforms = 2 * 2.5 * H * W * math.log2(H * W) * C
    product = 6 * H * half * C
    interpolation = cost.elementwise - transforms - product
    assert 0 < interpolation < 6 * H * half * C + 100
    assert count(GlobalFilter(C, size=8), 8, channels=C).elementwise == (5 * 64 * 6 + 6 * 8 * 5) * C


def test_half_precision_is_transformed_in_float32(image):
    block, x = GlobalFilter(4, size=7), image(4, 7, 9).detach().float()
    y = block.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), block.float()(x.bfloat16().float()), rtol=0.01, atol=0.01)


def test_summary_and_bad_size():
    assert GlobalFilter.summary_size(24, 3, 63, size=7) == 63 * 24
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        GlobalFilter(8, size=0)
