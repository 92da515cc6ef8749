"""Models of timm, built for the size of the images that they get."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import nn

from ablate.errors import AblateError

Size = int | tuple[int, int]


def build_timm(
    name: str,
    classes: int = 1000,
    channels: int = 3,
    features_only: bool = False,
    resolution: Size | None = None,
    pretrained: bool = False,
) -> nn.Module:
    """timm's model on the default device, for images of `resolution` pixels.

    Models of one size (ViT, Swin, ...) are made for that resolution; the others take any. Without a
    resolution each has the size that timm gives it. Raises `AblateError` when timm cannot build it.
    """
    import timm

    options: dict[str, Any] = {"features_only": True} if features_only else {"num_classes": classes}
    own, size = own_size(name), None if resolution is None else _pair(resolution)
    resized = own is not None and size is not None and size != own
    if resized:
        options["img_size"] = size
    if pretrained:
        return _with_weights(name, channels, options)
    try:
        model: nn.Module = timm.create_model(name, in_chans=channels, **options)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        if not resized or own is None or size is None:
            raise AblateError(f"timm cannot build {name}: {error}") from error
        reason = "it takes no other size" if "unexpected keyword argument 'img_size'" in str(error) else error
        raise AblateError(
            f"{name} is made for {own[0]} x {own[1]} px, and timm cannot build it for {size[0]} x {size[1]}: "
            f"{reason}"
        ) from error
    return model


def _with_weights(name: str, channels: int, options: dict[str, Any]) -> nn.Module:
    """timm's model with its weights, which it looks for among the downloaded ones, then on the network.

    Raises `AblateError` in one line when there are none, or none can be had.
    """
    import timm

    settings = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    if settings is None or not settings.has_weights:
        raise AblateError(f"timm has no weights for {name!r}")
    try:
        model: nn.Module = timm.create_model(name, pretrained=True, in_chans=channels, **options)
    except Exception as error:  # of the hub's client, of the network below it, or of timm
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AblateError(f"the weights of {name!r} cannot be loaded: {reason}") from error
    return model


@cache
def own_size(name: str) -> tuple[int, int] | None:
    """The one size (H, W) that timm gives a model of fixed size; None for a model that takes any."""
    import timm

    try:
        settings = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    except (RuntimeError, ValueError):
        return None
    if settings is None or not settings.fixed_input_size:
        return None
    return (settings.input_size[-2], settings.input_size[-1])


@cache
def timm_stride(name: str) -> int:
    """The stride of a model's last feature map; 32 where timm tells none."""
    import timm
    import torch

    try:
        with torch.device("meta"):
            info = getattr(timm.create_model(name, pretrained=False), "feature_info", None)
        return int(info[-1]["reduction"]) if info else 32
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError):
        return 32


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
