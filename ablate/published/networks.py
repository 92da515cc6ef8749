"""timm models without weights, at any size that they can be built for."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ablate.errors import AblateError

Way = Literal["as it is", "img_size"]


# Functions that change values and never shapes: what initialisation consists of.
_VALUES = frozenset(
    f"{name}_"
    for name in (
        *("normal", "uniform", "trunc_normal", "zero", "zeros", "ones", "fill", "constant", "copy"),
        *("erfinv", "clamp", "mul", "add", "sub", "div", "orthogonal"),
        *("kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform"),
    )
)


class _Blank(TorchFunctionMode):
    """Leaves initialisation out, which without data does nothing and takes most of the time of building."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in _VALUES and args and isinstance(args[0], torch.Tensor):
            return args[0]
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Network:
    """A model, and how it was built."""

    module: nn.Module
    way: Way


# Models that timm has under no name any more: the nearest one of today, and what makes it the former one.
# That the published figures come out again is checked by the audit, like every other pair.
FORMER: dict[str, tuple[str, dict[str, Any]]] = {
    "vit_base_patch16_reg8_gap_256": ("vit_base_patch16_reg4_gap_256", {"reg_tokens": 8}),
    "vit_medium_patch16_reg4_256": (
        "vit_medium_patch16_reg4_gap_256",
        {"class_token": True, "global_pool": "token", "init_values": 0.0},
    ),
}


def former(model: str) -> str:
    """How a model that timm has no more is built, for a reader; empty for the others."""
    if model not in FORMER:
        return ""
    name, options = FORMER[model]
    settings = ", ".join(f"{key}={value}" for key, value in options.items())
    return f"built as {name} with {settings}: "


def default_size(model: str) -> int:
    """The side of the input that the model's default weights were made for."""
    import timm

    config = timm.get_pretrained_cfg(FORMER[model][0] if model in FORMER else model)
    return int(config.input_size[-1]) if config is not None else 224


def network(
    model: str, resolution: int, *, sized: bool = True, device: str = "meta", **options: Any
) -> Network:
    """A timm model for images of a size, without weights; on `meta` it holds no data.

    At another than its default size it is built for it (`img_size`) if `sized`, where its class can be; the
    others are built as they are. Raises `AblateError` when timm cannot build it.
    """
    if sized and resolution != default_size(model):
        try:
            return Network(_build(model, device, img_size=resolution, **options), "img_size")
        except (RuntimeError, TypeError, ValueError, AssertionError):
            pass  # convolutional networks have no such setting, and need none
    try:
        return Network(_build(model, device, **options), "as it is")
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise AblateError(f"timm cannot build {model}: {error}") from error


def _build(model: str, device: str, **options: Any) -> nn.Module:
    import timm

    model, special = FORMER.get(model, (model, {}))
    options = special | options
    with _Blank() if device == "meta" else nullcontext(), torch.device(device):
        module: nn.Module = timm.create_model(model, pretrained=False, **options)
    return module.eval()
