"""Checks of sizes that several parts take as arguments. All raise `ValueError` with a one-line reason."""

from __future__ import annotations


def head_dim(dim: int, num_heads: int) -> int:
    """Channels per head, `dim / num_heads`, which must be a whole number."""
    if num_heads < 1:
        raise ValueError(f"num_heads must be at least 1, got {num_heads}")
    if dim % num_heads:
        raise ValueError(f"dim {dim} cannot be split into {num_heads} equal heads")
    return dim // num_heads


def odd(name: str, size: int) -> int:
    """`size` itself; it must be odd and positive, so that a neighbourhood has a centre."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"{name} must be {'odd' if size > 0 else 'at least 1'}, got {size}")
    return size


def positive(name: str, size: int) -> int:
    """`size` itself; it must be at least 1."""
    if size < 1:
        raise ValueError(f"{name} must be at least 1, got {size}")
    return size


def expanded(dim: int, expand: float) -> int:
    """The whole number of hidden channels nearest to `expand * dim` (so 3.125 * 32 is 100), at least 1."""
    hidden = round(expand * dim) if expand > 0 else 0
    if hidden < 1:
        raise ValueError(f"expand must leave at least one hidden channel, got {expand} for dim {dim}")
    return hidden
