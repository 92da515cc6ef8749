"""What dense models cost: MACs, parameters and memory of backbone, neck and head, under three conventions.

Papers of this line of work print three figures that look alike and are not: RetinaNet whole for a 1280 x 800
image, Semantic FPN whole for a 512 x 512 image, and the backbone alone for a 512 x 512 image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import torch
from torch import nn

from ablate.cost.count import Count, count
from ablate.cost.memory.trace import adamw, module_tensors, storage_bytes, trace_inference
from ablate.cost.memory.tracker import StorageTracker
from ablate.cost.operators.batch_norm import single_values
from ablate.cost.operators.classes import tensors
from ablate.cost.operators.kernel import KERNELS, Kernel, attention_kernel, device_kernel
from ablate.dense.models import build_retinanet, build_semantic_fpn
from ablate.dense.pyramid import build_pyramid
from ablate.errors import AblateError
from ablate.layout.network import Network

ConventionName = Literal["retinanet", "semantic_fpn", "backbone_512"]


@dataclass(frozen=True)
class Convention:
    """What papers count: a model, its input `(H, W)` in pixels, and its number of classes."""

    name: ConventionName
    label: str
    size: tuple[int, int]
    classes: int | None
    build: Callable[[Network, int], nn.Module]  # of layout and channels


def _retinanet(layout: Network, channels: int) -> nn.Module:
    return build_retinanet(layout, 80, channels)


def _semantic_fpn(layout: Network, channels: int) -> nn.Module:
    return build_semantic_fpn(layout, 150, channels)


CONVENTIONS: dict[ConventionName, Convention] = {
    "retinanet": Convention("retinanet", "RetinaNet, 1280 x 800, 80 classes", (800, 1280), 80, _retinanet),
    "semantic_fpn": Convention(
        "semantic_fpn", "Semantic FPN, 512 x 512, 150 classes", (512, 512), 150, _semantic_fpn
    ),
    "backbone_512": Convention("backbone_512", "backbone alone, 512 x 512", (512, 512), None, build_pyramid),
}
"""The three conventions, by the names that JSON and tables use."""


@dataclass(frozen=True)
class Piece:
    """Backbone, neck or head: MACs of one forward pass, parameters, and element-wise operations."""

    macs: int = 0
    params: int = 0
    elementwise: int = 0


@dataclass(frozen=True)
class DenseMemory:
    """Bytes above the weights and the image, float32, batch 1, with one attention kernel.

    `saved_activations` is alive after a forward pass in training mode, the outputs included;
    `training_peak` is the most that is alive in a step with AdamW whose backward pass starts from given
    gradients of all outputs: what a task's loss itself needs depends on the annotations and is left out.
    """

    inference_peak: int
    saved_activations: int
    training_peak: int


@dataclass(frozen=True)
class ConventionCost:
    """One layout under one convention; `memory` is worked out when it is first asked for."""

    layout: Network
    convention: Convention
    channels: int
    backbone: Piece
    neck: Piece
    head: Piece
    uncounted: tuple[str, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a forward pass over one image, whole."""
        return self.backbone.macs + self.neck.macs + self.head.macs

    @property
    def params(self) -> int:
        """Parameters, whole."""
        return self.backbone.params + self.neck.params + self.head.params

    @property
    def weights(self) -> int:
        """Bytes of parameters and buffers, float32."""
        return storage_bytes(module_tensors(self.build()))

    def build(self) -> nn.Module:
        """The model on `meta`."""
        with torch.device("meta"):
            return self.convention.build(self.layout, self.channels)

    def memory_of(self, kernel: Kernel) -> DenseMemory:
        """Bytes with one attention kernel."""
        height, width = self.convention.size
        image = torch.empty((1, self.channels, height, width), device="meta")
        return _trace(self.build(), image, kernel)

    @cached_property
    def memory(self) -> dict[Kernel, DenseMemory]:
        """Bytes with either attention kernel."""
        return {kernel: self.memory_of(kernel) for kernel in KERNELS}

    def to_json(self, *, memory: bool = True) -> dict[str, Any]:
        """MACs as whole numbers under `backbone`, `neck`, `head` and `macs` (their sum), `params` likewise
        with its parts under `params_of`; bytes under `memory`."""
        height, width = self.convention.size
        pieces = {"backbone": self.backbone, "neck": self.neck, "head": self.head}
        record: dict[str, Any] = {
            "convention": self.convention.label,
            "width": width,
            "height": height,
            "classes": self.convention.classes,
            **{name: piece.macs for name, piece in pieces.items()},
            "macs": self.macs,
            "flops": 2 * self.macs,
            "params": self.params,
            "params_of": {name: piece.params for name, piece in pieces.items()},
            "elementwise": sum(piece.elementwise for piece in pieces.values()),
            "uncounted": list(self.uncounted),
        }
        if memory:
            record["memory"] = {
                "weights": self.weights,
                **{kernel: asdict(usage) for kernel, usage in self.memory.items()},
                "device_kernel": device_kernel(),
            }
        return record


def dense_cost(layout: Network, channels: int = 3) -> dict[ConventionName, ConventionCost]:
    """The cost of a layout or timm model under each convention, batch 1; nothing is computed or stored.

    Raises `AblateError` when the backbone has no maps at strides 4 to 32 or refuses a size.
    """
    return {name: convention_cost(layout, name, channels) for name in CONVENTIONS}


@lru_cache(1024)
def convention_cost(layout: Network, name: ConventionName, channels: int = 3) -> ConventionCost:
    """The cost of a layout under one convention."""
    convention = CONVENTIONS[name]
    with torch.device("meta"):
        model = convention.build(layout, channels)
    try:
        counted = count(model, convention.size, channels=channels)
    except AblateError as error:
        raise AblateError(f"{layout.name}: {error}") from error
    if convention.classes is None:
        backbone = Piece(counted.macs, counted.params, counted.elementwise)
        return ConventionCost(layout, convention, channels, backbone, Piece(), Piece(), counted.uncounted)
    backbone, neck, head = (_piece(model, counted, child) for child in ("backbone", "neck", "head"))
    return ConventionCost(layout, convention, channels, backbone, neck, head, counted.uncounted)


def _piece(model: nn.Module, counted: Count, name: str) -> Piece:
    tally = counted.by_module[name]
    params = sum(parameter.numel() for parameter in model.get_submodule(name).parameters())
    return Piece(tally.macs, params, tally.elementwise)


def _trace(model: nn.Module, image: torch.Tensor, kernel: Kernel) -> DenseMemory:
    inference = trace_inference(model, image, kernel)
    model.train()
    stepper = adamw(model.parameters())
    tracker = StorageTracker([*module_tensors(model), image])
    saved = 0
    for _ in range(2):  # the second step finds the optimizer's state in place
        stepper.zero_grad(set_to_none=True)
        tracker.reset_peak()
        state = tracker.current
        with torch.enable_grad(), attention_kernel(kernel), single_values(), tracker:
            out = [tensor for tensor in tensors(model(image)) if tensor.requires_grad]
            saved = tracker.current - state
            gradients = [torch.ones_like(tensor) for tensor in out]
            torch.autograd.backward(out, gradients)
            del out, gradients
            stepper.step()
    return DenseMemory(inference, saved, tracker.peak)
