"""Attention without query-key products: a weighted mean a channel, gated by the query."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.sizes import head_dim, odd
from blocks.tokens import to_map, to_tokens

Form = Literal["conv", "simple"]


@register("mixer", "aft")
class AttentionFreeMixer(nn.Module):
    """Attention-free transformer (Zhai et al., 2021, arXiv 2105.14103): AFT-conv or AFT-simple.

    y_i = sigmoid(q_i) * sum_j w_ij exp(k_j) v_j / sum_j w_ij exp(k_j), every channel for itself, then a
    projection. In the form `conv` w_ij = exp(p_{j-i}) within the k x k neighbourhood (`kernel`) of token i,
    one p a head, and 1 elsewhere; the sums are a depthwise convolution by w - 1 and a sum over the map. In
    the form `simple` w = 1 everywhere. `standardise` is the paper's reparameterisation p = gamma (p - mean) /
    std + beta a head.
    MACs: 4NC^2, and 2k^2 NC in the form `conv`. The sums over the map, one weight for every channel, are
    reduction work.
    """

    family: ClassVar[str] = "key-only attention"
    caveat: ClassVar[str] = "written from the paper's equations; no published code was compared"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        form: Form = "conv",
        kernel: int = 7,
        standardise: bool = False,
        qkv_bias: bool = True,
    ):
        super().__init__()
        if form not in ("conv", "simple"):
            raise ValueError(f"form must be 'conv' or 'simple', got {form!r}")
        odd("kernel", kernel)
        self.head_dim = head_dim(dim, num_heads)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.position_bias: nn.Parameter | None = None
        self.gamma: nn.Parameter | None = None
        if form == "conv":
            self.position_bias = nn.Parameter(normal(num_heads, 1, kernel, kernel, std=0.02))
            if standardise:
                if kernel == 1:
                    raise ValueError("standardise needs a kernel of more than one place, got kernel 1")
                self.gamma = nn.Parameter(torch.full((num_heads, 1, 1, 1), 0.02))
                self.beta = nn.Parameter(torch.zeros(num_heads, 1, 1, 1))
        elif standardise:
            raise ValueError("standardise is of the position bias, which form 'simple' has not")

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        q, k, v = self.qkv(to_tokens(x)).chunk(3, dim=-1)
        # exp(k_j) / sum_j exp(k_j): both sums of the definition are divided by the latter, so that all
        # quantities stay near one. At least float32: half precision loses sums over many tokens.
        weights = k.softmax(1, dtype=torch.promote_types(k.dtype, torch.float32))
        weighted = weights.to(v.dtype) * v
        y = weighted.sum(1, keepdim=True)
        if self.position_bias is not None:
            y = (y + self._near(weighted, H, W)) / self._total(weights, H, W).to(v.dtype)
        return to_map(self.proj(q.sigmoid() * y), H, W)

    def _near(self, tokens: Tensor, H: int, W: int) -> Tensor:
        """sum_{j near i} (w_ij - 1) t_j of tokens t, `(B, N, C)` -> the same."""
        kernel = self._kernel().expm1().repeat_interleave(self.head_dim, dim=0).to(tokens.dtype)
        C = tokens.shape[-1]
        return to_tokens(F.conv2d(to_map(tokens, H, W), kernel, padding=kernel.shape[-1] // 2, groups=C))

    def _total(self, weights: Tensor, H: int, W: int) -> Tensor:
        """The denominator, positive but for rounding."""
        return (1 + self._near(weights, H, W)).clamp_min(torch.finfo(weights.dtype).eps)

    def _kernel(self) -> Tensor:
        """p of every head, `(h, 1, k, k)`."""
        assert self.position_bias is not None
        if self.gamma is None:
            return self.position_bias
        std, mean = torch.std_mean(self.position_bias, (2, 3), keepdim=True)
        return self.gamma * (self.position_bias - mean) / std + self.beta

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """The mean over the map: C numbers."""
        return dim
