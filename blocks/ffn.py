"""Feed-forward networks: the channel-mixing half of a MetaFormer block. `(B, C, H, W)` -> `(B, C, H, W)`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import odd
from blocks.tokens import to_map, to_tokens


@register("ffn", "mlp")
class MLP(nn.Module):
    """Two linear layers with a GELU between, at every position alone. MACs: 2NC x hidden."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x.permute(0, 2, 3, 1))))
        return y.permute(0, 3, 1, 2)


@register("ffn", "conv")
class ConvFFN(nn.Module):
    """Linear, depthwise convolution, GELU, linear: the FFN of PVTv2 (Wang et al., 2021, fig. 2c).

    MACs: 2NC x hidden + kernel^2 N x hidden. The zero padding of the convolution gives the tokens a sense of
    position, which the mixers here rely on.
    """

    def __init__(self, dim: int, hidden: int, *, kernel: int = 3):
        super().__init__()
        odd("kernel", kernel)
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        y = self.dwconv(to_map(self.fc1(to_tokens(x)), H, W))
        return to_map(self.fc2(F.gelu(to_tokens(y))), H, W)
