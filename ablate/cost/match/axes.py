"""What a budget can be about, and how it is counted for a layout: parameters, MACs, memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

import torch

from ablate.cost.layouts import LayoutCost, layout_cost
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.model import Part, build_part, parts

Axis: TypeAlias = Literal["params", "macs", "memory"]
AXES: tuple[Axis, ...] = ("params", "macs", "memory")
"""Parameters; multiply-accumulates of a batch; bytes of the weights and the peak of one inference, attention
fused."""


def measures(
    resolution: int | tuple[int, int] = 224, *, channels: int = 3, classes: int = 1000, batch: int = 1
) -> Mapping[Axis, Callable[[Network], int]]:
    """For each axis the function that counts it, under these conditions."""

    def cost(layout: Network) -> LayoutCost:
        return layout_cost(layout, resolution, channels=channels, classes=classes, batch=batch)

    def params(layout: Network) -> int:
        if not isinstance(layout, Layout):
            return cost(layout).params
        return sum(_params(part) for _, part in parts(layout, channels, classes))

    return {
        "params": params,
        "macs": lambda layout: cost(layout).macs,
        "memory": lambda layout: cost(layout).source.inference_memory(),
    }


@lru_cache(1 << 14)
def _params(part: Part) -> int:
    """Parameters of a part, without counting anything else."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_part(part).parameters())
