"""Several mixers in one: side by side over all channels, or each over its own."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from blocks.registry import Call, Mixers, get, make, register

_DEFAULT: Mixers = ("identity", "depthwise")


@register("mixer", "parallel")
class ParallelMixers(nn.Module):
    """The sum of several mixers of the same map: `conv & key_only` in the language.

    MACs: the sum of theirs.
    """

    family: ClassVar[str] = "branches"

    def __init__(self, dim: int, num_heads: int, *, of: Mixers = _DEFAULT):
        super().__init__()
        if len(of) < 2:
            raise ValueError(f"of must name two mixers at least, got {len(of)}")
        self.branches = nn.ModuleList(make("mixer", part, dim=dim, num_heads=num_heads) for part in of)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        first, *others = self.branches
        y: Tensor = first(x)
        for branch in others:
            y = y + branch(x)
        return y

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, *, of: Mixers = _DEFAULT, **_: object) -> int:
        """The sum over the branches."""
        return sum(_summary(part, dim, num_heads, tokens) for part in of)


@register("mixer", "split")
class SplitMixers(nn.Module):
    """Each mixer gets its own channels, and they are put side by side again.

    `shares` says how the channels are divided, in proportion (equally by default): `split(of=[identity,
    depthwise(kernel=3), depthwise(kernel=[1, 11]), depthwise(kernel=[11, 1])], shares=[5, 1, 1, 1])` is the
    mixer of InceptionNeXt (Yu et al., 2024). What does not come out whole goes to the first. Each gets heads
    in proportion, at least one. MACs: the sum of theirs.
    """

    family: ClassVar[str] = "branches"

    def __init__(
        self, dim: int, num_heads: int, *, of: Mixers = _DEFAULT, shares: tuple[int, ...] | None = None
    ):
        super().__init__()
        self.widths = _widths(dim, of, shares)
        self.branches = nn.ModuleList(
            make("mixer", part, dim=width, num_heads=_heads(width, num_heads * width / dim))
            for part, width in zip(of, self.widths, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        pieces = torch.split(x, self.widths, dim=1)
        return torch.cat([branch(piece) for branch, piece in zip(self.branches, pieces, strict=True)], dim=1)

    @staticmethod
    def summary_size(
        dim: int,
        num_heads: int,
        tokens: int,
        *,
        of: Mixers = _DEFAULT,
        shares: tuple[int, ...] | None = None,
    ) -> int:
        """The sum over the branches."""
        return sum(
            _summary(part, width, _heads(width, num_heads * width / dim), tokens)
            for part, width in zip(of, _widths(dim, of, shares), strict=True)
        )


def _widths(dim: int, of: Mixers, shares: tuple[int, ...] | None) -> list[int]:
    """Channels of each mixer."""
    shares = shares or (1,) * len(of)
    if len(of) < 2:
        raise ValueError(f"of must name two mixers at least, got {len(of)}")
    if len(shares) != len(of):
        raise ValueError(f"shares must be {len(of)} numbers, one a mixer, got {len(shares)}")
    if min(shares) < 1:
        raise ValueError(f"shares must be at least 1, got {min(shares)}")
    widths = [dim * share // sum(shares) for share in shares]
    widths[0] += dim - sum(widths)
    if min(widths) < 1:
        raise ValueError(f"shares leave a mixer without channels at dim {dim}")
    return widths


def _summary(part: str | Call, dim: int, num_heads: int, tokens: int) -> int:
    name, arguments = (part, {}) if isinstance(part, str) else (part.name, part.kwargs)
    return get(name, "mixer").summary_size(dim, num_heads, tokens, **arguments) or 0


def _heads(width: int, wanted: float) -> int:
    """The divisor of the width that is nearest to the wanted number of heads."""
    divisors = [heads for heads in range(1, width + 1) if width % heads == 0]
    return min(divisors, key=lambda heads: abs(math.log(heads / max(wanted, 1))))
