"""Two-dimensional selective scan: a state space model run over the map in four directions."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.selective_scan import selective_scan
from blocks.sizes import expanded, odd, positive
from blocks.tokens import to_map, to_tokens


@register("mixer", "ss2d")
class SelectiveScan2d(nn.Module):
    """SS2D (VMamba, Liu et al., 2024, section 4.2): selective scans along rows and columns, both ways.

    X W_I (eC channels, e = `expand`) is read in four orders. Each has its own scan: Delta = softplus of a
    projection through R (`rank`) numbers, B and C of S (`state`) numbers a token, A of S numbers a channel,
    h_t = exp(Delta A) h_{t-1} + Delta B x_t, y_t = C h_t + D x_t. The four results are put back in place,
    added, normalised and projected. Extras, off by default: `conv`, a depthwise convolution with this kernel
    and SiLU before the scans, and `gate`, which multiplies by SiLU(X W_G). VMamba-T has conv=3, state=1;
    Mamba has state=16, conv, gate, and R = C / 16, which here is a number of its own.
    MACs: 2eNC^2 + 8eNC(R + 2S), of which the scans are 8eNCS: one for the state, one to read it out; plus
    eNC^2 with `gate`, plus k^2 eNC with `conv`.
    """

    family = "state space"
    caveat = (
        "timed without a fused kernel, as a chunked scan; the published VMamba-T is ss2d(conv=3, state=1)"
    )

    def __init__(
        self,
        dim: int,
        *,
        state: int = 16,
        expand: float = 1.0,
        rank: int = 8,
        conv: int = 0,
        gate: bool = False,
    ):
        super().__init__()
        inner = expanded(dim, expand)
        self.state, self.rank, self.gate = positive("state", state), positive("rank", rank), gate
        self.input = nn.Linear(dim, (1 + gate) * inner, bias=False)
        self.conv = (
            nn.Conv2d(inner, inner, odd("conv", conv), padding=conv // 2, groups=inner) if conv else None
        )
        self.dbc = nn.Parameter(normal(4, rank + 2 * state, inner, std=inner**-0.5))
        self.delta = nn.Parameter(normal(4, inner, rank, std=rank**-0.5))
        # As in Mamba: steps start between 0.001 and 0.1 (here the bias before softplus), A at -1, ..., -S.
        step = torch.exp(torch.empty(4, 1, inner).uniform_(-6.9, -2.3))
        self.delta_bias = nn.Parameter(step.expm1().log())
        self.log_a = nn.Parameter(torch.arange(1, state + 1).float().log().expand(4, inner, state).clone())
        self.skip = nn.Parameter(torch.ones(4, 1, inner))  # D
        self.norm = nn.LayerNorm(inner)
        self.proj = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        parts = self.input(to_tokens(x)).chunk(1 + self.gate, dim=2)
        u = parts[0]
        if self.conv is not None:
            u = to_tokens(F.silu(self.conv(to_map(u, H, W))))
        y = self.norm(_merge(self._scan(_four_ways(u, H, W)), H, W).to(x.dtype))
        if self.gate:
            y = y * F.silu(parts[1])
        return to_map(self.proj(y), H, W)

    def _scan(self, u: Tensor) -> Tensor:
        """The scans of four sequences, `(B, 4, N, eC)`, float32 at least: states add up over tokens."""
        sizes = [self.rank, self.state, self.state]
        low, b, c = torch.split(u @ self.dbc.transpose(1, 2), sizes, dim=3)
        precise = torch.promote_types(u.dtype, torch.float32)
        delta = F.softplus((low @ self.delta.transpose(1, 2)).to(precise) + self.delta_bias)
        a = -self.log_a.to(precise).exp()
        u = u.to(precise)
        b, c = b.to(precise), c.to(precise)
        if torch.onnx.is_in_onnx_export():
            from blocks.ss2d_graph import token_by_token

            y = token_by_token(u, delta, a, b, c)
        else:
            y = selective_scan(u, delta, a, b, c)
        return torch.addcmul(y, self.skip.to(precise), u)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """The states of four scans: 4eCS numbers."""
        inner = expanded(dim, float(arguments.get("expand", 1.0)))
        return 4 * inner * int(arguments.get("state", 16))


def _four_ways(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens `(B, N, C)` by rows and by columns, then both backwards: `(B, 4, N, C)`."""
    columns = _other_order(tokens, height, width)
    both = torch.stack([tokens, columns], dim=1)
    return torch.cat([both, both.flip(2)], dim=1)


def _merge(sequences: Tensor, height: int, width: int) -> Tensor:
    """The sum of the four sequences, each put back in place: `(B, 4, N, C)` -> `(B, N, C)`."""
    both = sequences[:, :2] + sequences[:, 2:].flip(2)
    return both[:, 0] + _other_order(both[:, 1], width, height)


def _other_order(tokens: Tensor, lines: int, length: int) -> Tensor:
    """Tokens `(B, lines * length, C)`, line by line, in the order across the lines."""
    return tokens.reshape(tokens.shape[0], lines, length, -1).transpose(1, 2).flatten(1, 2)
