"""Rotation by position: products depend on offsets alone, lengths stay."""

import pytest
import torch

from blocks.rotary import BASE, rotatable, rotate


def test_is_multiplication_by_complex_phases():
    height, width, dim = 3, 4, 8
    x = torch.randn(2, 12, 3, dim, dtype=torch.float64)
    pairs = torch.view_as_complex(x.view(2, height, width, 3, dim // 2, 2))
    got = torch.view_as_complex(rotate(x, height, width).view(2, height, width, 3, dim // 2, 2))
    for row in range(height):
        for column in range(width):
            for pair in range(dim // 2):
                place = row if pair < dim // 4 else column
                angle = torch.tensor(place * BASE ** (-(pair % (dim // 4)) / (dim // 4)))
                turned = pairs[:, row, column, :, pair] * torch.polar(torch.tensor(1.0), angle)
                torch.testing.assert_close(
                    got[:, row, column, :, pair], turned.to(got.dtype), rtol=1e-6, atol=1e-6
                )


def test_products_depend_on_the_offset_alone():
    q, k = torch.randn(2, 16, dtype=torch.float64)
    height, width = 5, 6
    grid = [rotate(t.expand(1, height * width, 1, 16), height, width).view(height, width, 16) for t in (q, k)]
    product = torch.einsum("abd,xyd->abxy", *grid)
    torch.testing.assert_close(product[:-1, :-1, :-1, :-1], product[1:, 1:, 1:, 1:])
    assert not torch.allclose(product[0, 0, 0, 0], product[0, 0, 0, 1])
    assert not torch.allclose(product[0, 0, 0, 0], product[0, 0, 1, 0])


def test_what_cannot_be_rotated():
    assert rotatable(12) == 12
    with pytest.raises(ValueError, match="4 must divide 6"):
        rotatable(6)
