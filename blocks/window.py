"""Softmax attention within local windows."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.sizes import head_dim, positive


@register("mixer", "window")
class WindowAttention(nn.Module):
    """Window attention with relative position bias (Swin, Liu et al., 2021, eq. 4), shifted on request.

    The map is cut into windows of `size` x `size`; tokens attend within their window. With `shift` the
    cuts move by size // 2, and tokens that are neighbours only around the edge of the image do not see
    each other; along a side no longer than the window there is nothing to shift. A map that the windows
    do not divide is padded to the right and below; padding is never attended to, so its content is of no
    matter. MACs: 4NC^2 + 2w^2 N'C, where N' counts the padded tokens too. `torch.export` makes one graph for
    all maps of at least two windows along both sides.
    """

    family: ClassVar[str] = "local attention"

    def __init__(
        self, dim: int, num_heads: int, *, size: int = 7, shift: bool = False, qkv_bias: bool = True
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.size = positive("size", size)
        self.shift = size // 2 if shift else 0
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        # One bias per head and offset; rows are vertical offsets from -(size - 1) to size - 1.
        self.relative_bias = nn.Parameter(normal(num_heads, 2 * size - 1, 2 * size - 1, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        if torch.compiler.is_exporting():
            from blocks.window_graph import attend

            return attend(self, x)
        B, C, H, W = x.shape
        w = self.size
        pad = -H % w, -W % w
        shift = self.shift * (w < H), self.shift * (w < W)
        qkv = self.qkv(x.permute(0, 2, 3, 1))  # (B, H, W, 3C): before padding, which so costs no projection
        if any(pad):
            qkv = F.pad(qkv, (0, 0, 0, pad[1], 0, pad[0]))
        if any(shift):
            qkv = qkv.roll((-shift[0], -shift[1]), (1, 2))
        rows, columns = (H + pad[0]) // w, (W + pad[1]) // w
        # Taken apart before they are laid out anew: so the backward pass writes all three at once.
        parts = qkv.view(B, rows, w, columns, w, 3, self.num_heads, self.head_dim).unbind(5)
        shape = B, rows * columns, self.num_heads, w * w, self.head_dim
        q, k, v = (part.permute(0, 1, 3, 5, 2, 4, 6).reshape(shape) for part in parts)
        y = self._attend(q, k, v, self._allowed(H, W, pad, shift, x.device))
        y = y.view(B, rows, columns, self.num_heads, w, w, self.head_dim).permute(0, 1, 4, 2, 5, 3, 6)
        y = y.reshape(B, rows * w, columns * w, C)
        if any(shift):
            y = y.roll(shift, (1, 2))
        if any(pad):
            y = y[:, :H, :W]
        out: Tensor = self.proj(y)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, *, size: int = 7, **_: object) -> int:
        """Keys and values of a window, or of the map where it is smaller: 2w^2 C numbers."""
        return 2 * min(size * size, tokens) * dim

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        """Attention within windows: three `(B, windows, h, L, d)` -> the same with L = size^2."""
        shape, bias = v.shape, self._bias().to(q.dtype)
        if allowed is None:  # windows are samples, the bias is shared
            q, k, v = (t.flatten(0, 1) for t in (q, k, v))
            bias = bias.unsqueeze(0)
        else:  # windows are heads: each has its own mask, shared by the samples
            q, k, v = (t.flatten(1, 2) for t in (q, k, v))
            bias = torch.where(allowed.unsqueeze(1), bias, -torch.inf).flatten(0, 1).unsqueeze(0)
        if bias.is_cuda or not (bias.requires_grad and torch.is_grad_enabled()):
            return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).view(shape)
        # On a CPU no fused kernel has a gradient for the bias. The explicit product that would be taken asks
        # of every row whether it is empty, which costs a tenth of the training step; here none is.
        scores = ((q * self.head_dim**-0.5) @ k.transpose(-1, -2)).add_(bias)
        mixed: Tensor = scores.softmax(-1).to(v.dtype) @ v
        return mixed.view(shape)

    def _bias(self) -> Tensor:
        """The bias of every pair (i, j) of a window's tokens, `(h, L, L)`: the table at offset i - j."""
        w = self.size
        # unfold gives table[a + c, b + d]; with c = w - 1 - row of j that is the offset row i - row j
        offsets = self.relative_bias.unfold(1, w, 1).unfold(2, w, 1).flip(3, 4)
        return offsets.reshape(self.num_heads, w * w, w * w)

    def _allowed(
        self, H: int, W: int, pad: tuple[int, int], shift: tuple[int, int], device: torch.device
    ) -> Tensor | None:
        """Which pairs of a window may see each other, `(windows, L, L)`; None where all may.

        Padding forms a group of its own in every window, so that no row is empty.
        """
        if not any(pad) and not any(shift):
            return None
        w = self.size
        rows = _regions(H, pad[0], shift[0], device).view(-1, 1, w, 1)
        columns = _regions(W, pad[1], shift[1], device).view(1, -1, 1, w)
        padding = (rows == 2) | (columns == 2)
        group = torch.where(padding, -1, 2 * rows + columns).flatten(2).flatten(0, 1)  # (windows, L)
        return group.unsqueeze(1) == group.unsqueeze(2)


def _regions(length: int, pad: int, shift: int, device: torch.device) -> Tensor:
    """For each position along one padded and rolled side: 0 in place, 1 come around the edge, 2 padding."""
    place = torch.arange(length + pad, device=device).roll(-shift)
    return torch.where(place >= length, 2, (place < shift).long())
