"""The convolutional token mixer."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.registry import register
from blocks.sizes import expanded, odd
from blocks.tokens import to_map, to_tokens


@register("mixer", "conv")
class ConvMixer(nn.Module):
    """Inverted separable convolution: pointwise expansion, activation, depthwise k x k, pointwise back.

    The inverted residual of MobileNetV2 (Sandler et al., 2018) in the form of MetaFormer's baselines (Yu et
    al., 2024), whose `act` is `star_relu` without `bias`. `expand * dim` is rounded to the nearest whole
    number of channels. Zero padding.
    MACs: 2eNC^2 + ek^2 NC.
    """

    family: ClassVar[str] = "convolution"

    def __init__(
        self,
        dim: int,
        *,
        expand: float = 2.0,
        kernel: int = 3,
        act: Activation = "gelu",
        bias: bool = True,
    ):
        super().__init__()
        hidden = expanded(dim, expand)
        odd("kernel", kernel)
        self.expand = nn.Linear(dim, hidden, bias=bias)
        self.act = activation(act)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=bias)
        self.project = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        y = self.depthwise(to_map(self.act(self.expand(to_tokens(x))), H, W))
        return to_map(self.project(to_tokens(y)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
