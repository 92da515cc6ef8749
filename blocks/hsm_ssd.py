"""Hidden-state mixer: tokens are summed into a few states, which are mixed and read out again."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import expanded, odd, positive
from blocks.tokens import to_map, to_tokens


@register("mixer", "hsm_ssd")
class HiddenStateMixer(nn.Module):
    """Hidden-state mixer of state space duality (HSM-SSD; EfficientViM, Lee et al., 2025, algorithm 1).

    B, C and Delta (S numbers a token each, S = `state`) come from the tokens by a projection and a depthwise
    k x k convolution (`kernel`). The states are h = (softmax over tokens(Delta + A) * B)^T X, S vectors of C
    channels; they, not the tokens, go through the wide layers: [H, Z] = h W_HZ and
    h' = (H * SiLU(Z) + D H) W_O. Token i reads out C_i h'. MACs: 5NCS + 3k^2 NS + 3eSC^2, e = `expand`.
    A, a constant over the tokens, cancels in the softmax: it is left out, unless `offset` asks for the
    parameter that the published networks hold. No projection has a bias.
    """

    family = "state space"

    def __init__(
        self, dim: int, *, state: int = 64, expand: float = 1.0, kernel: int = 3, offset: bool = False
    ):
        super().__init__()
        self.state = positive("state", state)
        inner = expanded(dim, expand)
        self.bcd = nn.Linear(dim, 3 * state, bias=False)
        self.local = nn.Conv2d(
            3 * state, 3 * state, odd("kernel", kernel), padding=kernel // 2, groups=3 * state, bias=False
        )
        self.offset = nn.Parameter(torch.empty(state).uniform_(1, 16)) if offset else None  # A
        self.hz = nn.Linear(dim, 2 * inner, bias=False)
        self.skip = nn.Parameter(torch.ones(1))  # D
        self.proj = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        tokens = to_tokens(x)
        b, c, delta = to_tokens(self.local(to_map(self.bcd(tokens), H, W))).chunk(3, dim=2)  # (B, N, S)
        # At least float32 for the weights: half precision loses sums over many tokens.
        delta = delta.to(torch.promote_types(delta.dtype, torch.float32))
        if self.offset is not None:
            delta = delta + self.offset
        states = (delta.softmax(1).to(b.dtype) * b).transpose(1, 2) @ tokens.to(b.dtype)  # (B, S, C)
        h, z = self.hz(states).chunk(2, dim=2)
        states = self.proj(h * F.silu(z) + h * self.skip)
        return to_map(c @ states, H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """The states: S C numbers."""
        return int(arguments.get("state", 64)) * dim
