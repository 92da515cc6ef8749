"""The exact cost of a layout's dense models, as the values of a `dense` cell."""

from __future__ import annotations

from dataclasses import asdict

from ablate.cost.operators.kernel import device_kernel
from ablate.dense.cost import ConventionCost, ConventionName, Piece, convention_cost
from ablate.measurements.base import Progress, Task
from ablate.measurements.dense import (
    ConventionMemory,
    ConventionValues,
    DenseCostCondition,
    DenseCostValues,
    PeakMemory,
    PieceCost,
)


def run(task: Task[DenseCostCondition], progress: Progress) -> DenseCostValues:
    """Count one forward pass under each convention, and predict memory where the condition says so.

    Raises `AblateError` when the layout has no maps at strides 4 to 32 or refuses a size.
    """

    def of(name: ConventionName) -> ConventionValues:
        return _values(convention_cost(task.layout, name, task.channels), memory=task.condition.memory)

    return DenseCostValues(of("retinanet"), of("semantic_fpn"), of("backbone_512"))


def _values(cost: ConventionCost, *, memory: bool) -> ConventionValues:
    height, width = cost.convention.size
    return ConventionValues(
        cost.convention.label,
        height,
        width,
        cost.convention.classes,
        _piece(cost.backbone),
        _piece(cost.neck),
        _piece(cost.head),
        cost.uncounted,
        _memory(cost) if memory else None,
    )


def _piece(piece: Piece) -> PieceCost:
    return PieceCost(piece.macs, piece.params, piece.elementwise)


def _memory(cost: ConventionCost) -> ConventionMemory:
    fused, math = (PeakMemory(**asdict(cost.memory[kernel])) for kernel in ("fused", "math"))
    return ConventionMemory(cost.weights, fused, math, device_kernel())
