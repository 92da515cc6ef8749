"""Mamba-like linear attention: linear attention in the place of Mamba's scan."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.lepe import lepe as local_enhancement
from blocks.registry import register
from blocks.rotary import rotatable, rotate
from blocks.sizes import head_dim, odd
from blocks.tokens import to_map, to_tokens


@register("mixer", "mila")
class MambaLikeLinearAttention(nn.Module):
    """Mamba-like linear attention (MILA; Han et al., 2024, arXiv 2405.16605, section 5): V is the input.

    V = X W_I, Q and K are projections of V (not of X), features f(x) = elu(x) + 1, and Y_i = f(q_i)
    (sum_j f(k_j) v_j^T) / (f(q_i) . sum_j f(k_j)); the output is Y W_O. Extras of the paper, off by default:
    `conv` passes V through a depthwise convolution with this kernel and SiLU, `gate` multiplies the result by
    SiLU(X W_G), `rope` rotates features by position (all C channels at once, not in the denominator), `lepe`
    adds a depthwise convolution of V with this kernel; both kernels are 3 in the paper. MACs: 4NC^2 + 2NCd,
    plus NC^2 with `gate`, plus k^2 NC for each convolution; normaliser and rotation are element-wise work.
    """

    family = "linear attention"
    caveat = "the paper's network is mila(conv=3, gate=true, rope=true, lepe=3), and convolutions between"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        conv: int = 0,
        gate: bool = False,
        rope: bool = False,
        lepe: int = 0,
        qkv_bias: bool = True,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.rope = bool(rope and rotatable(dim))
        self.gate = gate
        self.input = nn.Linear(dim, (1 + gate) * dim, bias=qkv_bias)  # V and perhaps the gate
        self.conv = nn.Conv2d(dim, dim, odd("conv", conv), padding=conv // 2, groups=dim) if conv else None
        self.qk = nn.Linear(dim, 2 * dim, bias=qkv_bias)
        self.lepe = local_enhancement(dim, lepe)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, C, H, W = x.shape
        N = H * W
        parts = self.input(to_tokens(x)).view(B, N, -1, C).unbind(2)
        v = parts[0]
        if self.conv is not None:
            v = to_tokens(F.silu(self.conv(to_map(v, H, W))))
        features = F.elu(self.qk(v).view(B, N, 2, C)) + 1
        shape = (B, N, self.num_heads, self.head_dim)
        q, k = features[:, :, 0].reshape(shape), features[:, :, 1].reshape(shape)
        normaliser = (q * k.mean(1, keepdim=True)).sum(-1, keepdim=True)
        if self.rope:
            q, k = (rotate(part.reshape(B, N, 1, C), H, W).view(q.shape) for part in (q, k))
        # v / N against the mean in the normaliser: half precision cannot overflow at large N.
        context = torch.einsum("bnhd,bnhe->bhde", k, (v / N).view(shape))
        y = (torch.einsum("bnhd,bhde->bnhe", q, context) / normaliser).flatten(2)
        if self.lepe is not None:
            y = y + self.lepe(v, H, W)
        if self.gate:
            y = y * F.silu(parts[1])
        return to_map(self.proj(y), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """One d x d matrix a head: C d numbers."""
        return dim * head_dim(dim, num_heads)
