"""Squeeze-and-excitation: every channel is scaled by what the whole map says."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.registry import register


class SqueezeExcite(nn.Module):
    """x * sigmoid(W_2 act(W_1 mean(x))), the mean over the map (Hu et al., 2018, eq. 2 to 4).

    `hidden` channels between the two linear layers. MACs: 2C x hidden an image, whatever its size.
    """

    def __init__(self, dim: int, hidden: int, act: Activation = "relu", gate: Activation = "sigmoid"):
        super().__init__()
        self.reduce = nn.Conv2d(dim, hidden, 1)
        self.act = activation(act)
        self.expand = nn.Conv2d(hidden, dim, 1)
        self.gate = activation(gate)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y: Tensor = x * self.gate(self.expand(self.act(self.reduce(F.adaptive_avg_pool2d(x, 1)))))
        return y


@register("mixer", "squeeze_excite")
class SqueezeExciteMixer(SqueezeExcite):
    """Squeeze-and-excitation as a mixer: the map's mean scales every channel (Hu et al., 2018).

    `ratio` of the channels between its two linear layers. MACs: 2 ratio C^2 an image.
    """

    family: ClassVar[str] = "modulation"

    def __init__(self, dim: int, *, ratio: float = 0.25, act: Activation = "relu"):
        super().__init__(dim, max(1, round(ratio * dim)), act)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """The mean of the map: C numbers."""
        return dim
