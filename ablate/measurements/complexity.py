"""`complexity`: exact parameters, MACs, FLOPs, element-wise work and predicted memory of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field, StrictBool, model_validator

from ablate.layout.settings import Model
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import AT, Kernel, Pixels, Resolutions
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import MEBI, Quantity, predicted_peak


class Complexity(Model):
    """Counted parameters, MACs, FLOPs and activations."""

    resolutions: Resolutions = Field(default=(), description=AT)
    audit: StrictBool = Field(
        default=False, description="Also count with fvcore, ptflops and PyTorch's own counter."
    )
    scaling: StrictBool = Field(
        default=False,
        description="Also how costs grow over the resolutions: exact curves, local exponents, roofline time, "
        "and from which resolution each layout is cheaper than the baseline.",
    )

    @model_validator(mode="after")
    def _range_of_scaling(self) -> Complexity:
        if self.scaling and len(self.resolutions) < 2:
            raise ValueError("scaling needs two resolutions at least")
        return self


class ComplexityCondition(Model):
    """Side of the square input in pixels."""

    resolution: Pixels


@dataclass(frozen=True)
class KernelMemory:
    """Predicted bytes with one attention kernel, above the weights and the input."""

    inference_peak: int
    training_peak: int
    saved_activations: int = 0


@dataclass(frozen=True)
class PredictedMemory:
    """Predicted bytes of one image; `device_kernel` is the kernel that the counting machine really takes."""

    weights: int
    gradients: int
    optimizer: int
    fused: KernelMemory
    math: KernelMemory
    device_kernel: Kernel


@dataclass(frozen=True)
class StageCost:
    """Counted costs of the stem, a stage, the head, or a child of a timm model."""

    name: str
    params: int
    macs: int
    elementwise: int = 0


@dataclass(frozen=True)
class ComplexityValues(Values):
    """Counts of one forward pass of one image; `training_macs` of one training step."""

    params: int
    macs: int
    flops: int
    training_macs: int
    elementwise: int
    bytes: int
    activations: int
    memory: PredictedMemory
    stages: tuple[StageCost, ...] = ()
    uncounted: tuple[str, ...] = ()
    ran_on: str = "meta"  # "cpu" where the network had to be run on real data, because it looks at values


def _conditions(settings: Complexity, scope: Scope) -> Iterator[ComplexityCondition]:
    for resolution in settings.resolutions or (scope.input.resolution,):
        yield ComplexityCondition(resolution=resolution)


def _memory(values: ComplexityValues) -> float:
    return values.memory.weights + values.memory.fused.inference_peak


QUANTITIES = (
    Quantity(
        "params", "Parameters", "M", "Learnable numbers of the whole model, with its classifier.", "params",
        scale=1e6, digits=4,
    ),
    Quantity(
        "macs", "MACs", "G",
        "Multiply-accumulates of matrix products and convolutions in one forward pass of one image, counted "
        "operator by operator. One MAC is two floating-point operations.",
        "macs", scale=1e9, digits=4, stored="MACs",
    ),
    Quantity(
        "flops", "FLOPs", "G", "Floating-point operations of the same work: exactly twice the MACs.", "flops",
        scale=1e9, digits=4,
    ),
    Quantity(
        "training_macs", "Training MACs", "G",
        "MACs of a forward and backward pass of one image, without recomputation: three times the forward "
        "pass, less the layers whose input needs no gradient.",
        "training_macs", scale=1e9, digits=4,
    ),
    Quantity(
        "elementwise", "Element-wise", "G ops",
        "Element-wise and reduction operations (norms, activations, gates) of one forward pass; no MACs.",
        "elementwise", column="elementwise_ops", scale=1e9,
    ),
    Quantity(
        "bytes", "Bytes moved", "MiB",
        "Bytes read and written by all operators of one forward pass, when every operator goes to memory.",
        "bytes", column="moved_bytes", scale=MEBI,
    ),
    Quantity(
        "activations", "Activations", "M",
        "Elements written by the convolutions and matrix products of one forward pass.", "activations",
        scale=1e6,
    ),
    *(predicted_peak(kernel, mode) for mode in ("inference", "training") for kernel in ("fused", "math")),
    Quantity(
        "memory", "Memory", "MiB",
        "Bytes of the weights and of the predicted peak of one inference on one image, attention fused.",
        _memory, column="memory_bytes", scale=MEBI, stored="bytes", listed=False,
    ),
)  # fmt: skip

COMPLEXITY = register(
    Measurement(
        name="complexity",
        title="counted costs",
        description="Parameters, MACs, FLOPs.",
        settings=Complexity,
        condition=ComplexityCondition,
        values=ComplexityValues,
        quantities=QUANTITIES,
        runner="ablate.runners.complexity:run",
        where="counted",
        conditions=_conditions,
    )
)
