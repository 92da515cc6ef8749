"""Feed-forward networks: the channel-mixing half of a MetaFormer block. `(B, C, H, W)` -> `(B, C, H, W)`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.registry import register
from blocks.sizes import odd
from blocks.tokens import to_map, to_tokens


@register("ffn", "mlp")
class MLP(nn.Module):
    """Two linear layers with an activation between, at every position alone. MACs: 2NC x hidden.

    `dropout` is the probability with which each hidden channel is dropped in training.
    """

    def __init__(
        self, dim: int, hidden: int, *, act: Activation = "gelu", bias: bool = True, dropout: float = 0.0
    ):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden, bias=bias)
        self.act = activation(act)
        self.drop = _dropout(dropout)
        self.fc2 = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y: Tensor = self.fc2(self.drop(self.act(self.fc1(x.permute(0, 2, 3, 1)))))
        return y.permute(0, 3, 1, 2)


@register("ffn", "conv")
class ConvFFN(nn.Module):
    """Linear, depthwise convolution, activation, linear: the FFN of PVTv2 (Wang et al., 2021, fig. 2c).

    MACs: 2NC x hidden + kernel^2 N x hidden. The zero padding of the convolution gives the tokens a sense of
    position, which the mixers here rely on.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        kernel: int = 3,
        act: Activation = "gelu",
        bias: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        odd("kernel", kernel)
        self.fc1 = nn.Linear(dim, hidden, bias=bias)
        self.dwconv = nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=bias)
        self.act = activation(act)
        self.drop = _dropout(dropout)
        self.fc2 = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        y = self.dwconv(to_map(self.fc1(to_tokens(x)), H, W))
        return to_map(self.fc2(self.drop(self.act(to_tokens(y)))), H, W)


@register("ffn", "glu")
class GatedFFN(nn.Module):
    """Gated linear unit: act(W_g x) * (W_v x), then linear back (Shazeer, 2020, eq. 5).

    MACs: 3NC x hidden. `act: silu` is SwiGLU; at two thirds of the hidden width it costs what `mlp` does.
    """

    def __init__(
        self, dim: int, hidden: int, *, act: Activation = "sigmoid", bias: bool = True, dropout: float = 0.0
    ):
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=bias)
        self.value = nn.Linear(dim, hidden, bias=bias)
        self.act = activation(act)
        self.drop = _dropout(dropout)
        self.project = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        tokens = x.permute(0, 2, 3, 1)
        y: Tensor = self.project(self.drop(self.act(self.gate(tokens)) * self.value(tokens)))
        return y.permute(0, 3, 1, 2)


@register("ffn", "swiglu")
class SwiGLU(GatedFFN):
    """Gated linear unit with SiLU (Shazeer, 2020, eq. 6). MACs: 3NC x hidden."""

    def __init__(self, dim: int, hidden: int, *, bias: bool = True, dropout: float = 0.0):
        super().__init__(dim, hidden, act="silu", bias=bias, dropout=dropout)


@register("ffn", "star")
class StarFFN(nn.Module):
    """Star operation: relu6(W_1 x) * (W_2 x), then linear back (StarNet, Ma et al., 2024, eq. 1).

    MACs: 3NC x hidden.
    """

    def __init__(self, dim: int, hidden: int, *, bias: bool = True):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden, bias=bias)
        self.fc2 = nn.Linear(dim, hidden, bias=bias)
        self.project = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        tokens = x.permute(0, 2, 3, 1)
        y: Tensor = self.project(F.relu6(self.fc1(tokens)) * self.fc2(tokens))
        return y.permute(0, 3, 1, 2)


@register("ffn", "none")
class NoFFN(nn.Identity):
    """No FFN: the block is its mixer, with one residual."""

    def __init__(self, dim: int):
        super().__init__()


def _dropout(probability: float) -> nn.Module:
    if not 0 <= probability < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {probability}")
    return nn.Dropout(probability) if probability else nn.Identity()
