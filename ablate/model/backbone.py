"""Layout -> `nn.Module`: the parts of the chain, run in order, with the habits of timm's models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.model.chain import build_part, parts, stride_of
from ablate.model.features import FeatureInfo
from blocks.heads import Head


class Backbone(nn.Module):
    """A built layout: image `(B, channels, H, W)` -> logits `(B, classes)`, or a list of feature maps.

    As in timm, `forward_features` gives the last map and `forward_head` what the classifier makes of it;
    with 0 classes the output is the pooled features. `num_features` is the width of the last map,
    `head_hidden_size` that of what the last linear layer reads. `feature_info` knows the channels, strides
    and module of each stage; with `features_only` the stages of `out_indices` (from 0; all by default) are
    the output.
    """

    def __init__(
        self,
        layout: Layout,
        classes: int,
        channels: int,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        resolution: int | tuple[int, int] | None = None,
    ):
        super().__init__()
        count = len(layout.stages)
        self.features_only = features_only
        self.out_indices = _indices(out_indices, count)
        self.num_classes, self.in_chans = classes, channels
        self.num_features = layout.widths[-1]
        chain = parts(layout, channels, classes, resolution)
        wanted = max(self.out_indices) + 1 if features_only else count
        groups: dict[str, dict[str, nn.Module]] = {}
        info: list[dict[str, Any]] = []
        reduction = 1
        for name, part in chain:
            group, _, piece = name.partition(".")
            number = int(group[5:]) if group.startswith("stage") else 0
            if number > wanted or (features_only and group == "head"):
                continue
            if part.kind in ("stem", "downsample") and group != "head":
                reduction *= stride_of(part)
            groups.setdefault(group, {})[piece.replace(".", "_") or "0"] = build_part(part)
            if number:
                module = f"stages.{number - 1}"
                record = {"num_chs": part.dim, "reduction": reduction, "module": module}
                info = [*[known for known in info if known["module"] != module], record]
        self.stem = _in_row(list(groups["stem"].values()))
        self.stages = nn.ModuleList(nn.ModuleDict(groups[f"stage{number + 1}"]) for number in range(wanted))
        head = list(groups.get("head", {}).values())
        self.head: nn.Module | None = _in_row(head) if head else None
        self.feature_info = FeatureInfo(info, self.out_indices if features_only else range(count))

    @property
    def classifier(self) -> Head:
        """The head's last piece. Raises `AblateError` for a network of feature maps."""
        head = self.head[-1] if isinstance(self.head, nn.Sequential) else self.head
        if not isinstance(head, Head):
            raise AblateError("this network has no classifier of its own: it gives feature maps")
        return head

    @property
    def head_hidden_size(self) -> int:
        """Channels that the last linear layer reads."""
        return self.classifier.num_features

    def get_classifier(self) -> nn.Module:
        """The last linear layer."""
        return self.classifier.fc

    def reset_classifier(self, num_classes: int) -> None:
        """A new last layer for this many classes; for 0 the output is the pooled features."""
        self.num_classes = num_classes
        self.classifier.reset(num_classes)
        weight = next(self.parameters())
        self.classifier.fc.to(weight.device, weight.dtype)

    def chain(self) -> Iterator[nn.Module]:
        """The parts in the order they run."""
        yield from _row(self.stem)
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleDict)
            yield from stage.values()
        if self.head is not None:
            yield from _row(self.head)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        if self.features_only:
            return self.features(x)
        # One flat loop: while a part runs, nothing but its own input is held here, so that peak memory is
        # the sum and maximum over the parts.
        for part in self.chain():
            x = part(x)
        return x

    def features(self, x: Tensor) -> list[Tensor]:
        """The output of the stages of `out_indices`, `(B, width, H / reduction, W / reduction)`."""
        x = self.stem(x)
        maps = []
        for index, stage in enumerate(self.stages):
            assert isinstance(stage, nn.ModuleDict)
            for part in stage.values():
                x = part(x)
            if index in self.out_indices:
                maps.append(x)
        return maps

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map, `(B, C, H, W)`, before the head."""
        x = self.stem(x)
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleDict)
            for part in stage.values():
                x = part(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """What the head makes of the last map; with `pre_logits` what its last linear layer reads."""
        classifier = self.classifier
        for piece in list(_row(self.head))[:-1] if self.head is not None else []:
            x = piece(x)
        out: Tensor = classifier.features(x) if pre_logits else classifier(x)
        return out


def build(
    layout: Layout,
    classes: int = 1000,
    channels: int = 3,
    *,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> nn.Module:
    """Build a layout with fresh weights on the default device (`with torch.device("meta")` for none at all).

    Weights start as `ablate.model.initialise` says. Raises `ValueError` when a block refuses its size.
    """
    backbone = Backbone(layout, classes, channels, features_only, out_indices, resolution)
    return backbone.to(memory_format=torch.channels_last)


def total_stride(layout: Layout) -> int:
    """Pixels of the image, along one side, per position in the last stage."""
    stride = 1
    for name, part in parts(layout):
        if part.kind in ("stem", "downsample") and not name.startswith("head"):
            stride *= stride_of(part)
    return stride


def _indices(wanted: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The stages, from 0; negative ones count from the end. Raises `AblateError` for others."""
    if wanted is None:
        return tuple(range(count))
    for index in wanted:
        if not -count <= index < count:
            raise AblateError(f"there is no stage {index} among {count} (out_indices count from 0)")
    return tuple(sorted({index % count for index in wanted}))


def _in_row(modules: Sequence[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _row(module: nn.Module) -> Iterator[nn.Module]:
    """The pieces that `_in_row` put in a row, one by one."""
    if type(module) is nn.Sequential:
        yield from module
    else:
        yield module
