"""Initial weights that layers of PyTorch do not bring along."""

from __future__ import annotations

import torch
from torch import Tensor


def normal(*shape: int, std: float) -> Tensor:
    """A tensor of that shape, normally distributed about zero.

    The numbers are those of `std * torch.randn(shape)`. On `meta`, where there are none, nothing is drawn:
    random numbers and products there load TorchDynamo and sympy, a second and 200 MB in every process.
    """
    weights = torch.empty(shape)
    return weights if weights.is_meta else weights.normal_() * std
