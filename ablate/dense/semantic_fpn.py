"""The head of Semantic FPN (Kirillov et al. 2019, arXiv 1901.02446, figure 3).

With batch norm, as PVT and its successors use it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

BRANCHES = (1, 1, 2, 3)
"""Convolutions of the branches of P2 to P5; each ends at stride 4."""


class _Branch(nn.Sequential):
    """3x3 convolution, batch norm and ReLU, `count` times; with `upsample`, each followed by x2 bilinear."""

    def __init__(self, in_dim: int, dim: int, count: int, *, upsample: bool):
        layers: list[nn.Module] = []
        for index in range(count):
            width = in_dim if index == 0 else dim
            layers += [
                nn.Conv2d(width, dim, 3, padding=1, bias=False),
                nn.BatchNorm2d(dim),
                nn.ReLU(inplace=True),
            ]
            if upsample:
                layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        super().__init__(*layers)


class SemanticFPNHead(nn.Module):
    """Maps P2 to P5 `(B, in_dim, H / s, W / s)`, s = 4, 8, 16, 32 -> logits `(B, classes, H, W)`.

    Every level goes through its branch to 128 channels at stride 4, the branches are summed, then dropout of
    whole channels, a 1x1 convolution and x4 bilinear. Where sides are not divisible by 32 a branch is brought
    to the size of P2 before the sum.
    """

    def __init__(self, classes: int, in_dim: int = 256, dim: int = 128, dropout: float = 0.1):
        super().__init__()
        self.branches = nn.ModuleList(
            _Branch(in_dim, dim, count, upsample=level > 0) for level, count in enumerate(BRANCHES)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(dim, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.classifier:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> Tensor:
        total = self.branches[0](maps[0])
        for branch, features in zip(self.branches[1:], maps[1:], strict=True):
            part: Tensor = branch(features)
            if part.shape[-2:] != total.shape[-2:]:
                part = F.interpolate(part, total.shape[-2:], mode="bilinear", align_corners=False)
            total = total + part
        logits: Tensor = self.classifier(self.dropout(total))
        return F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
