"""What the tests of blocks share: awkward maps and the comparison with a reference, gradients included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

Reference = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def image() -> Callable[..., Tensor]:
    """`image(channels, height, width)`: a random channels-last float64 map that wants a gradient."""

    def make(channels: int, height: int, width: int, batch: int = 2) -> Tensor:
        x = torch.randn(batch, channels, height, width, dtype=torch.float64)
        return x.contiguous(memory_format=torch.channels_last).requires_grad_()

    return make


@pytest.fixture
def same() -> Callable[..., None]:
    """`same(block, reference, x)`: equal outputs, and equal gradients for x and the parameters.

    The reference is a function of x that uses the block's own parameters; or, with `weights=False`, any
    function with copied weights, of which only the gradient for x is compared.
    """

    def check(block: nn.Module, reference: Reference, x: Tensor, *, weights: bool = True) -> None:
        ours, theirs = block(x), reference(x)
        torch.testing.assert_close(ours, theirs)
        wanted = [x, *block.parameters()] if weights else [x]
        upstream = torch.randn_like(ours)
        for got, expected in zip(
            torch.autograd.grad(ours, wanted, upstream),
            torch.autograd.grad(theirs, wanted, upstream, materialize_grads=True),
            strict=True,
        ):
            torch.testing.assert_close(got, expected)

    return check
