"""`dense`: what dense models cost, backbone + neck + head, under the three conventions that papers print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field, StrictBool

from ablate.layout.settings import Model
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import Kernel
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import MEBI, Quantity, Reader


class DenseCostCondition(Model):
    """Input sizes and classes belong to the conventions; only what is worked out can be chosen."""

    memory: StrictBool = Field(default=True, description="Also predict the memory of every dense model.")


class DenseCost(DenseCostCondition):
    """Exact cost of RetinaNet at 1280 x 800, Semantic FPN and the backbone alone at 512 x 512."""


@dataclass(frozen=True)
class PieceCost:
    """Backbone, neck or head: MACs of one forward pass, parameters, element-wise operations."""

    macs: int
    params: int
    elementwise: int


@dataclass(frozen=True)
class PeakMemory:
    """Bytes above the weights and the image, float32, batch 1, with one attention kernel; a training step
    without the loss itself."""

    inference_peak: int
    saved_activations: int
    training_peak: int


@dataclass(frozen=True)
class ConventionMemory:
    """Bytes of one dense model; `device_kernel` is the kernel that the counting machine really takes."""

    weights: int
    fused: PeakMemory
    math: PeakMemory
    device_kernel: Kernel


@dataclass(frozen=True)
class ConventionValues:
    """One convention: what is counted in words, its image in pixels, and its three pieces."""

    convention: str
    height: int
    width: int
    classes: int | None
    backbone: PieceCost
    neck: PieceCost
    head: PieceCost
    uncounted: tuple[str, ...] = ()
    memory: ConventionMemory | None = None

    @property
    def macs(self) -> int:
        """MACs of one forward pass of one image, whole."""
        return self.backbone.macs + self.neck.macs + self.head.macs

    @property
    def params(self) -> int:
        """Parameters, whole."""
        return self.backbone.params + self.neck.params + self.head.params


@dataclass(frozen=True)
class DenseCostValues(Values):
    """The cost of a layout under each convention."""

    retinanet: ConventionValues
    semantic_fpn: ConventionValues
    backbone_512: ConventionValues


def _conditions(settings: DenseCost, scope: Scope) -> Iterator[DenseCostCondition]:
    yield DenseCostCondition(memory=settings.memory)


_MODELS = {
    "retinanet": ("RetinaNet", "RetinaNet whole (80 classes) for a 1280 x 800 image"),
    "semantic_fpn": ("Semantic FPN", "Semantic FPN whole (150 classes) for a 512 x 512 image"),
    "backbone_512": ("Backbone at 512", "the backbone alone for a 512 x 512 image"),
}


def _peak(name: str, mode: str, kernel: str) -> Reader:
    def read(values: DenseCostValues) -> float | None:
        memory = getattr(values, name).memory
        return None if memory is None else float(getattr(getattr(memory, kernel), f"{mode}_peak"))

    return read


def _costs(name: str) -> Iterator[Quantity]:
    label, text = _MODELS[name]
    yield Quantity(
        f"{name}_macs", f"{label}, MACs", "G", f"Multiply-accumulates of one forward pass: {text}.",
        f"{name}.macs", scale=1e9, digits=4, stored="MACs",
    )  # fmt: skip
    yield Quantity(
        f"{name}_params", f"{label}, parameters", "M", f"Learnable numbers: {text}.", f"{name}.params",
        scale=1e6, digits=4, listed=name != "backbone_512",
    )  # fmt: skip


def _peaks(name: str) -> Iterator[Quantity]:
    label, text = _MODELS[name]
    for mode in ("inference", "training"):
        for kernel in ("fused", "math"):
            yield Quantity(
                f"{name}_{mode}_peak_{kernel}", f"{label}, {mode} peak, {kernel}", "MiB",
                "Most bytes alive at once above the weights and the image, predicted by following every "
                f"storage, float32, batch 1, {kernel} attention kernel: {text}.",
                _peak(name, mode, kernel), column=f"{name}_{mode}_peak_{kernel}_bytes", scale=MEBI,
                stored="bytes", listed=False,
            )  # fmt: skip


DENSE = register(
    Measurement(
        name="dense",
        title="counted costs of dense models",
        description="MACs, parameters and memory of RetinaNet, Semantic FPN and the backbone alone.",
        settings=DenseCost,
        condition=DenseCostCondition,
        values=DenseCostValues,
        quantities=(
            *(quantity for name in _MODELS for quantity in _costs(name)),
            *(quantity for name in _MODELS for quantity in _peaks(name)),
        ),
        runner="ablate.runners.dense.cost:run",
        where="counted",
        conditions=_conditions,
        packages=("torchvision",),
    )
)
