"""Backbone weights for a dense model: a state dict, a file, timm's, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablate.dense.pyramid import Pyramid
from ablate.errors import AblateError, first_line

HEAD = ("head.", "classifier.", "fc.", "head_drop.")
"""What a classifier has and a pyramid has not."""


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file written by `torch.save` or safetensors; a checkpoint's `model` or `state_dict`.

    Nothing but tensors is loaded. Raises `AblateError` with the file's name.
    """
    if not file.is_file():
        raise AblateError(f"{file}: there is no such file")
    content: Any
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = dict(load_file(file))
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises what it likes
        raise AblateError(f"{file}: cannot be read as weights ({first_line(error)})") from error
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise AblateError(f"{file}: holds no state dict")
    state: dict[str, Tensor] = content
    return state


def load_backbone(pyramid: Pyramid, state: Mapping[str, Tensor], source: str = "the weights") -> list[str]:
    """Put a classifier's weights into a pyramid's backbone; returns the names that stay as initialised.

    `state` is the state dict of the classifier of the same layout (or of the same timm model, whose pyramid
    writes `stages_0` for `stages.0`), with or without its head. Raises `AblateError` unless every weight of
    the backbone is there in its shape, and when weights are left over that belong to no head.
    """
    own = pyramid.body.state_dict()
    by_plain = {_plain(name): name for name in own}
    matched: dict[str, Tensor] = {}
    left_over = []
    for name, value in state.items():
        name = name.removeprefix("module.")
        target = name if name in own else by_plain.get(_plain(name))
        if target is not None:
            if own[target].shape != value.shape:
                raise AblateError(
                    f"{source}: {name} has the shape {tuple(value.shape)}, "
                    f"the backbone {tuple(own[target].shape)}"
                )
            matched[target] = value
        elif not name.startswith(HEAD) and "norm" not in name.split(".")[0]:
            left_over.append(name)
    missing = [name for name in own if name not in matched]
    if missing:
        raise AblateError(f"{source}: {len(missing)} weights of the backbone are missing, {missing[0]} first")
    if left_over:
        raise AblateError(
            f"{source}: {left_over[0]} and {len(left_over) - 1} others belong to another backbone"
        )
    pyramid.body.load_state_dict(matched)
    return [name for name, _ in pyramid.named_parameters() if not name.startswith("body.")]


def _plain(name: str) -> str:
    return name.replace(".", "_")
