"""fvcore's price list, read without data: how the published figures were made.

The tables were printed by timm's benchmark script, which hands the model to fvcore's `FlopCountAnalysis`.
That prices convolutions and products by their MACs, prices norms, adaptive pooling and interpolation too, and
passes over what it has no rule for: convolutions whose padding is a word, recurrent layers, fused attention,
and a few products. `PriceList` applies the same rules to the calls that a model makes, on `meta`: what is
priced and what is left out, with the MACs of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ablate.cost.audit import rules

ATTENTION = "fused attention"  # its two products, in `left_out`: what they add when attention is written out


class PriceList(TorchFunctionMode):
    """While entered, what fvcore prices (`priced`) and what it passes over (`left_out`), by name.

    `priced` is in fvcore's own unit: MACs of convolutions and products, and its prices of the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.priced: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        rule = _RULES.get(func)
        if rule is not None:
            rule(self, out, *args, **kwargs)
        return out


def _convolution(book: PriceList, out: torch.Tensor, x: Any, weight: Any, *args: Any, **kwargs: Any) -> None:
    padding = kwargs.get("padding", args[2] if len(args) > 2 else 0)
    macs = rules.convolution(x.shape, weight.shape, out.shape)
    if isinstance(padding, str):
        book.left_out["convolution with padding by name"] += macs
    else:
        book.priced["convolution"] += macs


def _transposed(book: PriceList, out: torch.Tensor, x: Any, weight: Any, *_: Any, **__: Any) -> None:
    book.priced["convolution"] += rules.convolution(x.shape, weight.shape, out.shape, transposed=True)


def _linear(book: PriceList, _out: Any, x: Any, weight: Any, *_: Any, **__: Any) -> None:
    book.priced["product"] += rules.linear(x.shape, weight.shape)


def _matmul(book: PriceList, _out: Any, a: Any, b: Any, **_: Any) -> None:
    """fvcore multiplies the first factor's elements by the second's columns: the first is not broadcast."""
    book.priced["product"] += prod(a.shape) * b.shape[-1]


def _added(book: PriceList, _out: Any, _bias: Any, a: Any, b: Any, **_: Any) -> None:
    book.priced["product"] += prod(a.shape) * b.shape[-1]


def _no_rule(name: str, first: int) -> Callable[..., None]:
    def rule(book: PriceList, _out: Any, *args: Any, **_: Any) -> None:
        book.left_out[name] += rules.matmul(args[first].shape, args[first + 1].shape)

    return rule


def _einsum(book: PriceList, _out: Any, equation: str, *operands: Any) -> None:
    """Half of the estimate that NumPy prints, which has four digits."""
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    arrays = [np.broadcast_to(np.float64(0.0), tuple(tensor.shape)) for tensor in tensors]
    text = np.einsum_path(equation, *arrays, optimize="optimal")[1]
    line = next(line for line in text.splitlines() if "optimized flop" in line.lower())
    book.priced["product"] += int(float(line.split(":")[-1]) / 2)


def _attention(book: PriceList, _out: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> None:
    book.left_out[ATTENTION] += rules.attention(query.shape, key.shape, value.shape)


def _recurrent(book: PriceList, _out: Any, x: Any, _state: Any, weights: Any, *_: Any, **__: Any) -> None:
    """Every weight matrix of every layer meets each element of the sequence once, (T, B, C) or (B, T, C)."""
    matrices = sum(prod(weight.shape) for weight in weights if weight.dim() == 2)
    book.left_out["recurrent layer"] += matrices * x.shape[0] * x.shape[1]


def _norm(name: str, affine: int, keyword: str) -> Callable[..., None]:
    def rule(book: PriceList, _out: Any, x: Any, *args: Any, **kwargs: Any) -> None:
        weight = kwargs.get(keyword, args[affine] if len(args) > affine else None)
        book.priced[name] += prod(x.shape) * (4 if weight is None else 5)

    return rule


def _batch_norm(book: PriceList, _out: Any, x: Any, *args: Any, **kwargs: Any) -> None:
    """By place: mean, variance, weight, bias, training. In training mode fvcore looks for the weight at the
    place of the operator's second argument, which is where the weight stands there."""
    weight = kwargs.get("weight", args[2] if len(args) > 2 else None)
    training = kwargs.get("training", args[4] if len(args) > 4 else False)
    price = (4 if weight is None else 5) if training else (1 if weight is None else 2)
    book.priced["batch norm"] += prod(x.shape) * price


def _interpolate(book: PriceList, out: Any, x: Any, *args: Any, **kwargs: Any) -> None:
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "nearest")
    price = {"nearest": 1, "bilinear": 4}.get(mode, 0) if not kwargs.get("antialias") and x.dim() == 4 else 0
    if price:
        book.priced["interpolation"] += price * prod(out.shape)


def _pool(book: PriceList, _out: Any, x: Any, *_: Any, **__: Any) -> None:
    book.priced["adaptive average pooling"] += prod(x.shape)


def _grid(book: PriceList, out: Any, *_: Any, **__: Any) -> None:
    book.priced["grid sampling"] += 4 * prod(out.shape)


def _each(rule: Callable[..., None], *functions: Any) -> dict[Any, Callable[..., None]]:
    return dict.fromkeys(functions, rule)


_RULES: dict[Any, Callable[..., None]] = {
    **_each(_convolution, F.conv1d, F.conv2d, F.conv3d),
    **_each(_transposed, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    **_each(_linear, F.linear),
    **_each(_matmul, torch.matmul, torch.mm, torch.bmm, torch.Tensor.matmul, torch.Tensor.__matmul__),
    **_each(_matmul, torch.Tensor.mm, torch.Tensor.bmm),
    **_each(_added, torch.addmm, torch.Tensor.addmm),
    **_each(_no_rule("product added to a batch", 1), torch.baddbmm, torch.Tensor.baddbmm, torch.addbmm),
    **_each(_no_rule("product with a vector", 0), torch.mv, torch.Tensor.mv, torch.dot, torch.Tensor.dot),
    **_each(_einsum, torch.einsum),
    **_each(_attention, F.scaled_dot_product_attention),
    **_each(_recurrent, torch._VF.lstm, torch._VF.gru),
    **_each(_norm("layer norm", 1, "weight"), F.layer_norm),
    **_each(_norm("group norm", 1, "weight"), F.group_norm),
    **_each(_norm("instance norm", 2, "weight"), F.instance_norm),
    **_each(_batch_norm, F.batch_norm),
    **_each(_interpolate, F.interpolate),
    **_each(_pool, F.adaptive_avg_pool2d),
    **_each(_grid, F.grid_sample),
}


def read(module: torch.nn.Module, image: torch.Tensor) -> PriceList:
    """One forward pass of a module in evaluation mode under the price list; `image` is (B, C, H, W)."""
    module.eval()
    book = PriceList()
    with torch.no_grad(), book:
        module(image)
    return book
