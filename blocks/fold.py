"""Batch norm in evaluation is a scale and a shift a channel, which a linear layer beside it can take over."""

from __future__ import annotations

import copy
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)
AnyLayer: TypeAlias = nn.Linear | nn.Conv2d


def scale_and_shift(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """(a, b) of y = a x + b a channel, `(C,)` each, in float64: what a batch norm does in evaluation mode.

    Raises `ValueError` when the norm keeps no running statistics.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    return scale.detach(), shift.detach()


def fold_after(layer: Layer, norm: _BatchNorm) -> Layer:
    """A copy of a layer that gives what `norm(layer(x))` gives in evaluation mode; exact for every layer."""
    scale, shift = scale_and_shift(norm)
    weight = layer.weight.detach().double() * _to_outputs(scale, layer)
    bias = shift if layer.bias is None else shift + scale * layer.bias.detach().double()
    return _with(layer, weight, bias)


def fold_before(norm: _BatchNorm, layer: Layer) -> Layer:
    """A copy of a layer that gives what `layer(norm(x))` gives in evaluation mode.

    Raises `ValueError` for a convolution with padding: zeros at its edge are put there behind the norm, so
    that no layer without it does the same.
    """
    if isinstance(layer, nn.Conv2d) and (isinstance(layer.padding, str) or any(layer.padding)):
        raise ValueError("a norm before a padded convolution cannot be folded into it")
    scale, shift = scale_and_shift(norm)
    weight = layer.weight.detach().double()
    moved = (weight * _to_inputs(shift, layer)).flatten(1).sum(1)
    bias = moved if layer.bias is None else moved + layer.bias.detach().double()
    return _with(layer, weight * _to_inputs(scale, layer), bias)


def _to_outputs(values: Tensor, layer: AnyLayer) -> Tensor:
    """One number per output channel, to multiply the layer's weight with."""
    return values.view(-1, *[1] * (layer.weight.dim() - 1))


def _to_inputs(values: Tensor, layer: AnyLayer) -> Tensor:
    """One number per input channel, in the places where the layer's weight has them."""
    if isinstance(layer, nn.Linear):
        return values.view(1, -1)
    per_group = values.view(layer.groups, 1, -1).expand(-1, layer.out_channels // layer.groups, -1)
    return per_group.reshape(layer.out_channels, -1, 1, 1)


def _with(layer: Layer, weight: Tensor, bias: Tensor) -> Layer:
    twin = copy.deepcopy(layer)
    old = layer.weight
    laid_out = torch.empty_like(old, requires_grad=False).copy_(weight)  # the memory format stays
    twin.weight = nn.Parameter(laid_out, requires_grad=old.requires_grad)
    twin.bias = nn.Parameter(bias.to(old.dtype), requires_grad=old.requires_grad)
    return twin
