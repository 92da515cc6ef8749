"""Feature maps as tokens and back; with channels-last memory both directions are views, not copies."""

from __future__ import annotations

from torch import Tensor


def to_tokens(x: Tensor) -> Tensor:
    """`(B, C, H, W)` -> `(B, H*W, C)`, row by row."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """`(B, H*W, C)` -> `(B, C, H, W)`; contiguous tokens give a channels-last map."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)
