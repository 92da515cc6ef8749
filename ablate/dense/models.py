"""The two dense models of this line of work, whole: RetinaNet and Semantic FPN on any backbone.

RetinaNet: Lin et al. 2017, arXiv 1708.02002; neck and head are torchvision's. Semantic FPN: Kirillov et al.
2019, arXiv 1901.02446; neck torchvision's, head `ablate.dense.semantic_fpn`.
"""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor, nn
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

from ablate.dense.pyramid import Pyramid, build_pyramid
from ablate.dense.semantic_fpn import SemanticFPNHead
from ablate.layout.network import Network

DIM = 256
"""Channels of every level of both necks as published; RetinaNet's head has as many, Semantic FPN's half."""

ANCHORS = 9
"""Anchors of a position as published: three sizes in three shapes."""

CONVOLUTIONS = 4
"""Convolutions before the last one in both parts of RetinaNet's head as published."""

PRIOR = 0.01
"""Probability of every class that RetinaNet's head starts with as published."""


class Neck(nn.Module):
    """A feature pyramid network (Lin et al. 2017, arXiv 1612.03144) over some maps of a backbone.

    `dims` are the channels of the maps; with `extra` two levels follow, P6 from the last map of the backbone
    and P7 from P6 after a ReLU. List of maps in, list of maps with `dim` channels out.
    """

    def __init__(self, dims: tuple[int, ...], *, extra: bool, dim: int = DIM):
        super().__init__()
        more = LastLevelP6P7(dims[-1], dim) if extra else None
        if more is not None:
            more.use_P5 = False  # torchvision would take P5 where C5 happens to have 256 channels
        self.fpn = FeaturePyramidNetwork(list(dims), dim, extra_blocks=more)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return list(self.fpn({str(level): features for level, features in enumerate(maps)}).values())


class RetinaNetModel(nn.Module):
    """Image `(B, channels, H, W)` -> class logits `(B, A, classes)` and box offsets `(B, A, 4)`.

    A counts the anchors of P3 to P7, `anchors` at each position, positions level by level and row by row.
    Both parts of the head have `convolutions`, four at most, with group norms of `groups` groups (0: without
    norms); `prior` is the probability of every class that the head starts with.
    """

    def __init__(
        self,
        backbone: Pyramid,
        classes: int,
        dim: int = DIM,
        *,
        anchors: int = ANCHORS,
        convolutions: int = CONVOLUTIONS,
        groups: int = 0,
        prior: float = PRIOR,
    ):
        super().__init__()
        self.backbone = backbone
        self.neck = Neck(backbone.dims[1:], extra=True, dim=dim)
        self.head = RetinaNetHead(dim, anchors, classes, partial(nn.GroupNorm, groups) if groups else None)
        for part in (self.head.classification_head, self.head.regression_head):
            part.conv = part.conv[:convolutions]
        bias = self.head.classification_head.cls_logits.bias
        nn.init.constant_(bias, -math.log((1 - prior) / prior))  # type: ignore[arg-type]

    def features(self, images: Tensor) -> list[Tensor]:
        """P3 to P7, `(B, dim, H / s, W / s)` with s = 8, 16, 32, 64, 128, rounded up."""
        maps: list[Tensor] = self.neck(self.backbone(images)[1:])
        return maps

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        out: dict[str, Tensor] = self.head(self.features(images))
        return out["cls_logits"], out["bbox_regression"]


class SemanticFPNModel(nn.Module):
    """Image `(B, channels, H, W)` -> logits of every pixel, `(B, classes, H, W)` (sides divisible by 4)."""

    def __init__(self, backbone: Pyramid, classes: int, dim: int = DIM):
        super().__init__()
        self.backbone = backbone
        self.neck = Neck(backbone.dims, extra=False, dim=dim)
        self.head = SemanticFPNHead(classes, dim, max(1, dim // 2))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.neck(self.backbone(images)))
        return logits


def build_retinanet(
    layout: Network, classes: int = 80, channels: int = 3, *, pretrained: bool = False, dim: int = DIM
) -> RetinaNetModel:
    """RetinaNet on a layout, on the default device. Raises `AblateError` as `build_pyramid` does."""
    return RetinaNetModel(build_pyramid(layout, channels, pretrained=pretrained), classes, dim)


def build_semantic_fpn(
    layout: Network, classes: int = 150, channels: int = 3, *, pretrained: bool = False, dim: int = DIM
) -> SemanticFPNModel:
    """Semantic FPN on a layout, on the default device. Raises `AblateError` as `build_pyramid` does."""
    return SemanticFPNModel(build_pyramid(layout, channels, pretrained=pretrained), classes, dim)
