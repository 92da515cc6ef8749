"""The residual blocks of ResNet, as blocks and as downsamplings."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.metaformer import stochastic_depth
from blocks.norm import BatchNorm
from blocks.registry import register
from blocks.sizes import odd, positive
from blocks.squeeze import SqueezeExcite


class _Residual(nn.Module):
    """act(shortcut(x) + DropPath(branch(x))); the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(
        self, branch: nn.Module, in_chans: int, dim: int, stride: int, act: Activation, drop_path: float
    ):
        super().__init__()
        self.branch = branch
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_chans != dim:
            conv = nn.Conv2d(in_chans, dim, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, BatchNorm(dim))
        self.act = activation(act)
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, ceil(H / stride), ceil(W / stride))`."""
        y: Tensor = self.act(self.shortcut(x) + self.drop_path(self.branch(x)))
        return y


def _bottleneck(
    in_chans: int, dim: int, stride: int, reduce: int, kernel: int, act: Activation, se: float
) -> nn.Sequential:
    odd("kernel", kernel)
    if dim % positive("reduce", reduce):
        raise ValueError(f"reduce must divide the {dim} channels, got {reduce}")
    if se < 0:
        raise ValueError(f"se must be at least 0, got {se}")
    hidden = dim // reduce
    layers = [
        nn.Conv2d(in_chans, hidden, 1, bias=False),
        BatchNorm(hidden),
        activation(act),
        nn.Conv2d(hidden, hidden, kernel, stride, padding=kernel // 2, bias=False),
        BatchNorm(hidden),
        activation(act),
        nn.Conv2d(hidden, dim, 1, bias=False),
        BatchNorm(dim),
    ]
    return nn.Sequential(*layers, *([SqueezeExcite(dim, max(1, round(se * dim)))] if se else []))


def _basic(in_chans: int, dim: int, stride: int, kernel: int, act: Activation) -> nn.Sequential:
    odd("kernel", kernel)
    return nn.Sequential(
        nn.Conv2d(in_chans, dim, kernel, stride, padding=kernel // 2, bias=False),
        BatchNorm(dim),
        activation(act),
        nn.Conv2d(dim, dim, kernel, padding=kernel // 2, bias=False),
        BatchNorm(dim),
    )


@register("block", "bottleneck")
class Bottleneck(_Residual):
    """Bottleneck block, a whole block (ResNet, He et al., 2016, fig. 5), BatchNorm behind each convolution.

    act(x + (1x1 to C / `reduce`, k x k, 1x1 back)(x)), with squeeze-and-excitation to `se` C channels if that
    is not 0. MACs: 2NC^2 / r + k^2 NC^2 / r^2.
    """

    family: ClassVar[str] = "convolution"

    def __init__(
        self,
        dim: int,
        drop_path: float = 0.0,
        *,
        reduce: int = 4,
        kernel: int = 3,
        act: Activation = "relu",
        se: float = 0.0,
    ):
        super().__init__(_bottleneck(dim, dim, 1, reduce, kernel, act, se), dim, dim, 1, act, drop_path)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, *, se: float = 0.0, **_: object) -> int:
        """None without squeeze-and-excitation, else the mean of every channel."""
        return dim if se else 0


@register("stem", "bottleneck")
class BottleneckStem(_Residual):
    """The bottleneck block that changes width or resolution; the stride is that of its k x k convolution."""

    def __init__(
        self,
        in_chans: int,
        dim: int,
        *,
        stride: int = 2,
        reduce: int = 4,
        kernel: int = 3,
        act: Activation = "relu",
        se: float = 0.0,
    ):
        positive("stride", stride)
        branch = _bottleneck(in_chans, dim, stride, reduce, kernel, act, se)
        super().__init__(branch, in_chans, dim, stride, act, 0.0)


@register("block", "basic")
class BasicBlock(_Residual):
    """Basic block, a whole block (ResNet, He et al., 2016, fig. 5): act(x + (k x k, k x k)(x)).

    MACs: 2k^2 NC^2.
    """

    family: ClassVar[str] = "convolution"

    def __init__(self, dim: int, drop_path: float = 0.0, *, kernel: int = 3, act: Activation = "relu"):
        super().__init__(_basic(dim, dim, 1, kernel, act), dim, dim, 1, act, drop_path)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0


@register("stem", "basic")
class BasicStem(_Residual):
    """The basic block that changes width or resolution, in its first convolution."""

    def __init__(
        self, in_chans: int, dim: int, *, stride: int = 2, kernel: int = 3, act: Activation = "relu"
    ):
        branch = _basic(in_chans, dim, positive("stride", stride), kernel, act)
        super().__init__(branch, in_chans, dim, stride, act, 0.0)
