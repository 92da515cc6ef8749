"""The network that a data set asks for: a classifier of images, or one answer for every token."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.dataset import Dataset
from ablate.layout.layout import Layout
from blocks.norm import LayerNorm


class TokenClassifier(nn.Module):
    """Backbone, norm and one linear layer for every token of the last stage.

    `(B, channels, H, W)` -> logits `(B, classes, h, w)` on the label grid `(h, w)`, to which they are resized
    bilinearly where the last stage has another size; with `questions` > 1, `(B, classes, questions, h, w)`.
    """

    def __init__(
        self, backbone: nn.Module, width: int, classes: int, grid: tuple[int, int], questions: int = 1
    ):
        super().__init__()
        self.backbone = backbone
        self.classes, self.grid, self.questions = classes, grid, questions
        self.norm = LayerNorm(width)
        self.fc = nn.Linear(width, classes * questions)
        nn.init.trunc_normal_(self.fc.weight, std=0.02)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits on the label grid, the classes on the second axis, as `F.cross_entropy` wants them."""
        features = self.backbone(x)[-1]
        if features.shape[1] != self.fc.in_features:  # some of timm's backbones put the channels last
            features = features.permute(0, 3, 1, 2)
        tokens = self.norm(features).permute(0, 2, 3, 1)
        logits: Tensor = self.fc(tokens).permute(0, 3, 1, 2)
        if tuple(logits.shape[2:]) != self.grid:
            logits = F.interpolate(logits.float(), self.grid, mode="bilinear", align_corners=False)
        if self.questions == 1:
            return logits
        return logits.view(len(logits), self.classes, self.questions, *self.grid)


def network_for(layout: Layout, dataset: Dataset) -> nn.Module:
    """The layout with the head that the data set's labels need, with fresh weights.

    Raises what `Layout.build` raises.
    """
    classes = len(dataset.classes)
    if not dataset.per_token:
        return layout.build(classes, dataset.channels, resolution=dataset.resolution)
    shape = dataset.test.labels.shape  # (N, h, w) or (N, questions, h, w)
    backbone = layout.build(classes, dataset.channels, features_only=True, resolution=dataset.resolution)
    stages: Any = backbone.feature_info
    grid = (shape[-2], shape[-1])
    return TokenClassifier(
        backbone, int(stages[-1]["num_chs"]), classes, grid, shape[1] if len(shape) == 4 else 1
    )
