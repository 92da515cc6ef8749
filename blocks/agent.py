"""Agent attention: a few pooled queries stand between all queries and all keys."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.lepe import lepe as local_enhancement
from blocks.registry import register
from blocks.sizes import head_dim, positive
from blocks.tokens import to_map, to_tokens


@register("mixer", "agent")
class AgentAttention(nn.Module):
    """Agent attention (Han et al., 2024, arXiv 2312.08874, eq. 5): softmax attention twice, linear in N.

    The agents A are the queries, averaged over a grid of a x a cells (`agents` = a; n = a^2 agents whatever
    the resolution; on a map with a side shorter than a, cells repeat). They attend to all tokens, and all
    queries attend to them: Y = softmax(Q A^T / sqrt(d)) softmax(A K^T / sqrt(d)) V. The paper's depthwise
    convolution of the values is `lepe`, its kernel (3 in the paper), off by default; its position biases,
    which are tied to a resolution, are left out. MACs: 4NC^2 + 4nNC, plus k^2 NC with `lepe`.
    """

    family = "linear attention"
    caveat = "without the paper's position biases; its module has lepe=3"

    def __init__(self, dim: int, num_heads: int, *, agents: int = 7, lepe: int = 0, qkv_bias: bool = True):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.agents = positive("agents", agents)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.lepe = local_enhancement(dim, lepe)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        queries, keys, values = self.qkv(to_tokens(x)).chunk(3, dim=2)
        pooled = _any_size if torch.compiler.is_exporting() else F.adaptive_avg_pool2d
        agents = to_tokens(pooled(to_map(queries, H, W), self.agents))
        q, k, v, a = (self._heads(tokens) for tokens in (queries, keys, values, agents))  # (B, h, N or n, d)
        y = F.scaled_dot_product_attention(q, a, F.scaled_dot_product_attention(a, k, v))
        y = y.transpose(1, 2).flatten(2)
        if self.lepe is not None:
            y = y + self.lepe(values, H, W)
        return to_map(self.proj(y), H, W)

    def _heads(self, tokens: Tensor) -> Tensor:
        B, N, _ = tokens.shape
        return tokens.view(B, N, self.num_heads, self.head_dim).transpose(1, 2)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """The agents and what they gathered: 2nC numbers."""
        return 2 * int(arguments.get("agents", 7)) ** 2 * dim


def _any_size(x: Tensor, size: int) -> Tensor:
    """Adaptive average pooling to `size` x `size` as two products, which a graph has for all maps at once."""
    for axis in (2, 3):
        length = x.shape[axis]
        cell = torch.arange(size, device=x.device).unsqueeze(1)  # from floor(i L / n) to ceil((i + 1) L / n)
        many = torch.full_like(cell, length)
        first, last = cell * many // size, ((cell + 1) * many + size - 1) // size
        place = torch.arange(length, device=x.device)
        inside = ((place >= first) & (place < last)).to(x.dtype)
        x = x.transpose(axis, 3) @ (inside / inside.sum(1, keepdim=True)).T
        x = x.transpose(axis, 3)
    return x
