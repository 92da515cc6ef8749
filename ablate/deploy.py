"""The deployed form of a model: what training keeps apart and evaluation does not need apart, folded."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from ablate.errors import AblateError, first_line
from ablate.wiring import links
from blocks.fold import fold_after, fold_before
from blocks.patches import PatchConv

_GAP = {torch.float64: 1e-9, torch.float32: 1e-4}  # of the output's size, by precision
_LAYERS = (nn.Linear.forward, nn.Conv2d.forward, PatchConv.forward)


@runtime_checkable
class Foldable(Protocol):
    """A block that knows its deployed form itself: several branches, a product of two of its matrices."""

    def folded(self) -> nn.Module:
        """A module that gives the same in evaluation mode; the block itself is left as it is."""
        ...


def deploy(module: nn.Module, image: tuple[int, int, int] | None = None) -> nn.Module:
    """A copy of a module for inference that gives the same outputs with fewer operators.

    Blocks that are `Foldable` are replaced by what they fold to, timm's by timm's own reparameterisation. A
    batch norm is folded into the linear layer or convolution before it, or else into the one behind it if
    that has no padding, where one forward pass shows that the two are alone with each other. What cannot be
    folded exactly stays.

    `image` is (channels, height, width) of an input for that pass, by default what the model is made for
    (timm), or a 64 x 64 one with the channels of its first layer. Both forms are run on random numbers and
    compared, except on `meta`. The result is in evaluation mode and not meant for training.

    Raises `AblateError` when the module cannot process the image, or the folded one gives something else.
    """
    shape = image if image is not None else _input_size(module)
    deployed = copy.deepcopy(module).eval()
    example = _example(deployed, shape)
    wanted = _run(deployed, example)
    deployed = _fold_blocks(deployed, {}).eval()
    if type(module).__module__.startswith("timm."):
        from timm.utils.model import reparameterize_model

        deployed = reparameterize_model(deployed, inplace=True)
    deployed = _fold_norms(deployed, example)
    if not example.is_meta:
        _compare(wanted, _run(deployed, example), type(module).__name__)
    return deployed


def _fold_blocks(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    """The module with every `Foldable` part replaced; one that is used twice is folded once."""
    if module not in done:
        done[module] = module
        if isinstance(module, Foldable):
            done[module] = module.folded()
        else:
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = _fold_blocks(child, done)
    return done[module]


def _fold_norms(module: nn.Module, example: Tensor) -> nn.Module:
    parts = [part for part in module.modules() if _is_layer(part) or _is_norm(part)]
    folded: dict[nn.Module, nn.Module] = {}  # a part and what takes its place
    wires = links(module, parts, example)
    for wire in wires:
        if _is_layer(wire.first) and _is_norm(wire.second):
            folded[wire.first] = fold_after(cast(Any, wire.first), cast(_BatchNorm, wire.second))
            folded[wire.second] = _rest(wire.second)
    for wire in wires:
        if _is_norm(wire.first) and wire.first not in folded and _takes(wire.second, wire.first):
            layer = folded.get(wire.second, wire.second)
            folded[wire.second] = fold_before(cast(_BatchNorm, wire.first), cast(Any, layer))
            folded[wire.first] = nn.Identity()
    for parent in module.modules():
        _replace(parent, folded)
    return module


def _replace(parent: nn.Module, folded: Mapping[nn.Module, nn.Module]) -> None:
    for name, child in parent._modules.items():
        if child is not None and child in folded:
            parent._modules[name] = folded[child]


def _is_layer(part: nn.Module) -> bool:
    """A layer whose output is linear in its weight and bias, both its own parameters."""
    return type(part).forward in _LAYERS and "weight" in part._parameters


def _is_norm(part: nn.Module) -> bool:
    return isinstance(part, _BatchNorm) and part.running_mean is not None and _rest(part) is not part


def _rest(norm: nn.Module) -> nn.Module:
    """What remains of a batch norm without its norm: the activation in timm's, the norm itself if unknown."""
    if type(norm).forward is _BatchNorm.forward:
        return nn.Identity()
    from timm.layers.norm_act import BatchNormAct2d

    if type(norm).forward is BatchNormAct2d.forward:
        drop, act = getattr(norm, "drop"), getattr(norm, "act")  # noqa: B009 - mypy knows no such attributes
        return act if isinstance(drop, nn.Identity) else nn.Sequential(drop, act)
    return norm


def _takes(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether a layer can take over the norm before it: no padding, and nothing else in between."""
    plain = isinstance(_rest(norm), nn.Identity) and _is_layer(layer)
    return plain and not (
        isinstance(layer, nn.Conv2d) and (isinstance(layer.padding, str) or any(layer.padding))
    )


def _input_size(module: nn.Module) -> tuple[int, int, int]:
    made_for = getattr(module, "pretrained_cfg", None) or {}
    if "input_size" in made_for:
        channels, height, width = made_for["input_size"]
        first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
        return (first.in_channels if first is not None else channels), height, width
    for part in module.modules():
        for name in ("in_channels", "in_features", "num_features"):
            if isinstance(part, nn.Conv2d | nn.Linear | _BatchNorm) and hasattr(part, name):
                return int(getattr(part, name)), 64, 64
    raise AblateError(f"{type(module).__name__} has no layer to read its channels from; give `image`")


def _example(module: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    first = next(module.parameters(), torch.empty(0))
    random = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    image = torch.empty_like(random, device="meta") if first.is_meta else random.to(first.device)
    return image.to(first.dtype).contiguous(memory_format=torch.channels_last)


def _run(module: nn.Module, example: Tensor) -> list[Tensor]:
    size = " x ".join(map(str, example.shape[1:]))
    try:
        with torch.no_grad():
            return [leaf for leaf in tree_leaves(module(example)) if isinstance(leaf, Tensor)]
    except Exception as error:
        reason = first_line(error)
        raise AblateError(
            f"{type(module).__name__} cannot process a {size} image: {reason}; "
            "give `image` (channels, height, width)"
        ) from error


def _compare(wanted: list[Tensor], got: list[Tensor], name: str) -> None:
    for before, after in zip(wanted, got, strict=True):
        allowed = _GAP.get(before.dtype, 0.05) * max(1.0, before.abs().max().item())
        gap = (before - after).abs().max().item()
        if not gap <= allowed:
            raise AblateError(f"{name} cannot be deployed: its folded form differs by {gap:.2g}")
