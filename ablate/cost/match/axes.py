"""What a budget can be about, and how it is counted for a layout: parameters, MACs, memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

import torch

from ablate.cost.layouts import LayoutCost, layout_cost
from ablate.cost.memory.chain import inference_peak
from ablate.cost.memory.trace import module_tensors, storage_bytes
from ablate.cost.memory.tracker import StorageTracker
from ablate.cost.operators.kernel import attention_kernel
from ablate.cost.whole import WholeModel
from ablate.layout.layout import Layout
from ablate.model import Part, build_part, parts

Axis: TypeAlias = Literal["params", "macs", "memory"]
AXES: tuple[Axis, ...] = ("params", "macs", "memory")
"""Parameters; multiply-accumulates of a batch; bytes of the weights and the peak of one inference, attention
fused."""


def measures(
    resolution: int | tuple[int, int] = 224, *, channels: int = 3, classes: int = 1000, batch: int = 1
) -> Mapping[Axis, Callable[[Layout], int]]:
    """For each axis the function that counts it, under these conditions."""

    def cost(layout: Layout) -> LayoutCost:
        return layout_cost(layout, resolution, channels=channels, classes=classes, batch=batch)

    def params(layout: Layout) -> int:
        if layout.timm is not None:
            return cost(layout).params
        return sum(_params(part) for _, part in parts(layout, channels, classes))

    return {
        "params": params,
        "macs": lambda layout: cost(layout).macs,
        "memory": lambda layout: inference_memory(cost(layout)),
    }


def inference_memory(cost: LayoutCost) -> int:
    """Bytes that one inference needs at its peak: weights, and what is alive above them with fused
    attention."""
    if isinstance(cost.source, WholeModel):
        return _whole_inference(cost.source)
    links = [link for _, link, _ in cost.source]
    return sum(link.weight_bytes for link in links) + inference_peak(
        [x.inference_trace("fused") for x in links]
    )


def _whole_inference(model: WholeModel) -> int:
    """The same of a timm model; no training step, which some refuse at small sizes."""
    module = model.build().eval()
    image = torch.empty((model.batch, model.channels, *model.size), device="meta")
    weights = module_tensors(module)
    tracker = StorageTracker([*weights, image])
    with torch.no_grad(), attention_kernel("fused"), tracker:
        module(image)
    return storage_bytes(weights) + tracker.peak


@lru_cache(1 << 14)
def _params(part: Part) -> int:
    """Parameters of a part, without counting anything else."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_part(part).parameters())
