"""A backbone as a feature pyramid: an image to four maps, C2 to C5, at strides 4, 8, 16 and 32."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import blocks
from ablate.errors import AblateError, first_line
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.timm_model import TimmModel

STRIDES = (4, 8, 16, 32)
"""Strides of C2 to C5 against the image: what necks and heads of dense tasks are made for."""


class Pyramid(nn.Module):
    """Image `(B, channels, H, W)` -> the maps at `STRIDES`, each `(B, dims[i], H / stride, W / stride)`.

    The maps of a layout are the sums of a residual stream; each gets a norm of its own, the layout's, as Swin
    and PoolFormer get one in the published detectors. timm's models give the maps that timm gives.
    """

    def __init__(
        self,
        backbone: nn.Module,
        indices: tuple[int, ...],
        dims: tuple[int, ...],
        norms: nn.ModuleList | None,
    ):
        super().__init__()
        self.body = backbone
        self.norms = norms
        self.indices = indices
        self.dims = dims

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = self.body(x)
        # Swin's maps are (B, H, W, C)
        maps = [
            _channels_first(outputs[index], dim) for index, dim in zip(self.indices, self.dims, strict=True)
        ]
        if self.norms is None:
            return maps
        return [norm(features) for norm, features in zip(self.norms, maps, strict=True)]


def build_pyramid(layout: Network, channels: int = 3, *, pretrained: bool = False) -> Pyramid:
    """A layout or timm model as a `Pyramid`, on the default device, for images of any size.

    `pretrained` takes timm's weights (timm layouts only). Raises `AblateError` when there are no maps at
    strides 4, 8, 16 and 32, or when timm cannot build the model.
    """
    if isinstance(layout, TimmModel):
        backbone = _timm_features(layout.model, channels, pretrained)
    elif pretrained:
        raise AblateError(f"{layout.name}: only timm's models come with weights; name a file instead")
    else:
        try:
            backbone = layout.build(channels=channels, features_only=True)
        except ValueError as error:  # a block that refuses its size
            raise AblateError(f"{layout.name}: {error}") from error
    info: Any = backbone.feature_info
    entries = info.get_dicts() if isinstance(layout, TimmModel) else list(info)
    strides = [int(entry["reduction"]) for entry in entries]
    # where several stages share a stride, the last one is the map, as everywhere in this line of work
    last = {stride: index for index, stride in enumerate(strides)}
    missing = [stride for stride in STRIDES if stride not in last]
    if missing:
        raise AblateError(
            f"{layout.name}: dense heads need feature maps at strides 4, 8, 16 and 32; "
            f"this backbone has {', '.join(map(str, strides))}"
        )
    indices = tuple(last[stride] for stride in STRIDES)
    dims = tuple(int(entries[index]["num_chs"]) for index in indices)
    norms = None
    if isinstance(layout, Layout):
        calls = [stage.recipe.norm for stage in layout.stages]
        norms = nn.ModuleList(
            blocks.get(calls[index].name, "norm").build({"dim": dim}, calls[index].kwargs)
            for index, dim in zip(indices, dims, strict=True)
        )
    return Pyramid(backbone, indices, dims, norms)


def _timm_features(name: str, channels: int, pretrained: bool) -> nn.Module:
    import timm

    fixed = getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)
    # Swin and its kin pad their windows, so that any size will do; others do not know the option
    attempts: list[dict[str, Any]] = [{"strict_img_size": False}] * fixed + [{}]
    for options in attempts:
        try:
            model: nn.Module = timm.create_model(
                name, pretrained=pretrained, features_only=True, in_chans=channels, **options
            )
        except (RuntimeError, TypeError, ValueError, AttributeError, OSError) as error:
            reason = f"timm cannot give the feature maps of {name}: {first_line(error)}"
        else:
            return model
    raise AblateError(reason)


def _channels_first(features: Tensor, dim: int) -> Tensor:
    if features.shape[1] != dim and features.shape[-1] == dim:
        return features.permute(0, 3, 1, 2).contiguous()
    return features
