"""Copies of a module to count on, without data on `meta` or real on the CPU: the original is left alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


def _on_meta(tensor: torch.Tensor) -> torch.Tensor:
    twin = torch.empty_like(tensor, device="meta", requires_grad=False)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(twin, requires_grad=tensor.requires_grad)
    return twin


def _own_tensors(value: Any) -> list[torch.Tensor]:
    """Tensors that a module keeps as plain attributes, also in lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _own_tensors(item)]
    return []


def meta_replica(module: nn.Module) -> nn.Module:
    """A copy on the `meta` device: same code, same sizes and strides, no data, no gradients."""
    memo: dict[int, Any] = {}
    for submodule in module.modules():
        for tensor in _own_tensors(vars(submodule)):
            if id(tensor) not in memo:
                memo[id(tensor)] = _on_meta(tensor)
    return copy.deepcopy(module, memo)


def real_replica(module: nn.Module) -> nn.Module:
    """A copy with its data on the CPU, without gradients."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        data = parameter.detach().to("cpu", copy=True)
        memo[id(parameter)] = nn.Parameter(data, requires_grad=parameter.requires_grad)
    return copy.deepcopy(module, memo).to("cpu")
