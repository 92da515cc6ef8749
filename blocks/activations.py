"""Activations by name: what an argument `act` of a part may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation: TypeAlias = Literal[
    "gelu", "relu", "relu6", "silu", "hardswish", "sigmoid", "tanh", "squared_relu", "star_relu", "none"
]


class SquaredReLU(nn.Module):
    """relu(x)^2 (So et al., 2021)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return F.relu(x).square()


class StarReLU(nn.Module):
    """s relu(x)^2 + b with one learned scale and shift for all channels (Yu et al., 2024, eq. 8).

    They start at 1 and 0, as in the published models; the paper's 0.8944 and -0.4472 give a unit variance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return self.scale * F.relu(x).square() + self.bias


_MODULES: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "squared_relu": SquaredReLU,
    "star_relu": StarReLU,
    "none": nn.Identity,
}


def activation(name: str | None) -> nn.Module:
    """The module of an activation; none at all for None. Raises `ValueError` for an unknown name."""
    name = name or "none"
    if name not in _MODULES:
        raise ValueError(f"act must be one of {', '.join(_MODULES)}, got {name!r}")
    return _MODULES[name]()
