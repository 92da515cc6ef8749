"""The inverted residual of MobileNetV2 and EfficientNet, as a block and as a downsampling."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.metaformer import stochastic_depth
from blocks.norm import BatchNorm
from blocks.registry import register
from blocks.sizes import expanded, odd, positive
from blocks.squeeze import SqueezeExcite


class _Inverted(nn.Module):
    """Pointwise expansion, depthwise k x k with a stride, squeeze-and-excitation, pointwise projection."""

    def __init__(
        self, in_chans: int, dim: int, stride: int, expand: float, kernel: int, act: Activation, se: float
    ):
        super().__init__()
        hidden = expanded(in_chans, expand)
        odd("kernel", kernel)
        if se < 0:
            raise ValueError(f"se must be at least 0, got {se}")
        self.expand: nn.Module = nn.Identity()
        if hidden != in_chans:
            self.expand = nn.Sequential(
                nn.Conv2d(in_chans, hidden, 1, bias=False), BatchNorm(hidden), activation(act)
            )
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel, stride, padding=kernel // 2, groups=hidden, bias=False),
            BatchNorm(hidden),
            activation(act),
        )
        self.se = SqueezeExcite(hidden, max(1, round(se * in_chans)), act) if se else nn.Identity()
        self.project = nn.Sequential(nn.Conv2d(hidden, dim, 1, bias=False), BatchNorm(dim))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, ceil(H / stride), ceil(W / stride))`."""
        y: Tensor = self.project(self.se(self.depthwise(self.expand(x))))
        return y


@register("block", "inverted")
class InvertedResidual(_Inverted):
    """Inverted residual, a whole block (MobileNetV2, Sandler et al., 2018; EfficientNet, Tan & Le, 2019).

    x + (1x1 to e C, depthwise k x k, squeeze-and-excitation, 1x1 back)(x); BatchNorm behind each convolution,
    `act` behind the first two. `se` is the width of the squeeze over C; 0 is none.
    MACs: 2eNC^2 + ek^2 NC, and 2 se e C^2.
    """

    family: ClassVar[str] = "convolution"

    def __init__(
        self,
        dim: int,
        drop_path: float = 0.0,
        *,
        expand: float = 6.0,
        kernel: int = 3,
        act: Activation = "relu6",
        se: float = 0.0,
    ):
        super().__init__(dim, dim, 1, expand, kernel, act, se)
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y: Tensor = x + self.drop_path(super().forward(x))
        return y

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, *, se: float = 0.0, **_: object) -> int:
        """None without squeeze-and-excitation, else the mean of every hidden channel."""
        return dim if se else 0


@register("stem", "inverted")
class InvertedStem(_Inverted):
    """The inverted residual that changes width or resolution, so without its residual."""

    def __init__(
        self,
        in_chans: int,
        dim: int,
        *,
        stride: int = 2,
        expand: float = 6.0,
        kernel: int = 3,
        act: Activation = "relu6",
        se: float = 0.0,
    ):
        super().__init__(in_chans, dim, positive("stride", stride), expand, kernel, act, se)
