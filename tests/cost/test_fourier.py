"""Fourier transforms are element-wise work by the textbook count."""

from math import log2

import pytest
import torch
from torch import nn

from ablate.cost import count


class Transformed(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "operations"),
    [
        (lambda x: torch.fft.rfft2(x), 2.5 * 3 * 64 * log2(64)),
        (lambda x: torch.fft.rfft(x, dim=1), 2.5 * 3 * 64 * log2(3)),
        (lambda x: torch.fft.irfft2(torch.fft.rfft2(x), s=(8, 8)), 2 * 2.5 * 3 * 64 * log2(64)),
        (lambda x: torch.fft.fft(torch.complex(x, x)), 5 * 3 * 64 * log2(8)),
    ],
    ids=["real to complex", "one short dimension", "there and back", "complex"],
)
def test_operations(function, operations):
    found = count(Transformed(function), 8)
    assert (found.macs, found.uncounted) == (0, ())
    assert found.elementwise == round(operations)


def test_a_product_of_complex_numbers_is_six_operations():
    def product(x):
        z = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        return torch.view_as_real(z * z)

    def total(x):
        z = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        return torch.view_as_real(z + z)

    assert count(Transformed(product), 8).elementwise == 6 * 3 * 32
    assert count(Transformed(total), 8).elementwise == 2 * 3 * 32
