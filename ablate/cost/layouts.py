"""The cost of a layout: the sum over its parts, and the exact composition of their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.cost import whole
from ablate.cost.count import Tally
from ablate.cost.memory.chain import inference_peak, training_memory
from ablate.cost.memory.links import Border, OptimizerTrace, TrainingTrace, trace_loss
from ablate.cost.memory.trace import Memory
from ablate.cost.operators.kernel import KERNELS, Kernel, device_kernel
from ablate.cost.parts import PartCost, cost_of_link, image_border, trace_chain
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.model import parts


@dataclass(frozen=True)
class Row:
    """One line of a cost table: a part, or the sum over a stage."""

    name: str
    call: str  # the block as the layout writes it; empty for a stage
    size: tuple[int, ...]  # of the output, (B, C, H, W) or (B, classes)
    params: int
    work: Tally
    uncounted: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The row in the units of `LayoutCost.to_json`; `resolution` is that of the output, (H, W)."""
        return {
            "name": self.name,
            **({"block": self.call} if self.call else {}),
            "channels": self.size[1] if len(self.size) > 1 else None,
            "resolution": list(self.size[2:]),
            "params": self.params,
            "macs": self.work.macs,
            "flops": 2 * self.work.macs,
            "elementwise": self.work.elementwise,
            "bytes": self.work.bytes,
            "activations": self.work.activations,
            "uncounted": list(self.uncounted),
        }


@dataclass(frozen=True)
class LayoutCost:
    """What a layout costs at one resolution and batch size.

    `macs` are multiply-accumulates of contractions in a forward pass, `flops` twice as many; `elementwise`
    the operations that are no contractions (price list in `ablate.cost.operators.classes`), `bytes` what all
    operators read and write, `activations` the output elements of contractions. All are for the whole batch.
    `training_macs` and `memory` are worked out when they are first asked for.
    """

    layout: Layout
    resolution: tuple[int, int]
    params: int
    work: Tally
    uncounted: tuple[str, ...]
    stage_rows: tuple[Row, ...]
    block_rows: tuple[Row, ...]
    source: tuple[tuple[str, PartCost, bool], ...] | whole.WholeModel  # links with name and stochastic depth

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the forward pass."""
        return self.work.macs

    @property
    def flops(self) -> int:
        """Floating point operations of the contractions, two per MAC."""
        return 2 * self.work.macs

    @property
    def elementwise(self) -> int:
        """Operations of the forward pass that are no contractions."""
        return self.work.elementwise

    @property
    def bytes(self) -> int:
        """Bytes that the operators of the forward pass read and write, with fused attention."""
        return self.work.bytes

    @property
    def activations(self) -> int:
        """Output elements of convolutions, matmuls and attention in the forward pass."""
        return self.work.activations

    @property
    def stages(self) -> list[dict[str, Any]]:
        """One record for the stem, each stage and the head; they add up to the whole."""
        return [row.to_json() for row in self.stage_rows]

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """One record for each part; empty for a timm model."""
        return [row.to_json() for row in self.block_rows]

    @cached_property
    def training_macs(self) -> int:
        """MACs of forward and backward pass of a training step, without recomputation."""
        if isinstance(self.source, whole.WholeModel):
            return self.source.training_macs
        return sum(cost.training_macs for _, cost, _ in self.source)

    def memory_of(self, kernel: Kernel) -> Memory:
        """Memory with one attention kernel, bytes, for training with AdamW: see `ablate.cost.memory`."""
        if isinstance(self.source, whole.WholeModel):
            return self.source.memory(kernel)
        return _compose(self.source, kernel)

    @cached_property
    def memory(self) -> dict[str, Any]:
        """Bytes: weights, gradients, optimizer state, and peaks and saved activations with either kernel.

        `device_kernel` is the kernel that this machine's CPU really takes for unmasked attention in float32.
        """
        memories = {kernel: self.memory_of(kernel) for kernel in KERNELS}
        first = memories["fused"]
        names = ("inference_peak", "saved_activations", "training_peak")
        return {
            "weights": first.weights,
            "gradients": first.gradients,
            "optimizer": first.optimizer,
            **{kernel: {name: getattr(memories[kernel], name) for name in names} for kernel in KERNELS},
            "device_kernel": device_kernel(),
        }

    def to_json(self) -> dict[str, Any]:
        """All figures: parameters, MACs, FLOPs, counts of operations and elements, bytes."""
        height, width = self.resolution
        return {
            "params": self.params,
            "macs": self.macs,
            "flops": self.flops,
            "resolution": height if height == width else [height, width],
            "uncounted": list(self.uncounted),
            "memory": self.memory,
            "training_macs": self.training_macs,
            "elementwise": self.elementwise,
            "bytes": self.bytes,
            "activations": self.activations,
            "stages": self.stages,
            "blocks": self.blocks,
        }


def layout_cost(
    layout: Layout,
    resolution: int | tuple[int, int] = 224,
    channels: int = 3,
    classes: int = 1000,
    batch: int = 1,
) -> LayoutCost:
    """Cost of a layout for images (batch, channels, H, W), by adding up its remembered parts.

    A timm model is counted as a whole. Raises `AblateError` when a block refuses its size.
    """
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    if layout.timm is not None:
        return _whole_cost(layout, size, channels, classes, batch)
    links: list[tuple[str, PartCost, bool]] = []
    border = image_border(batch, channels, *size)
    for name, part in parts(layout, channels, classes):
        try:
            cost = cost_of_link(part, border)
        except (ValueError, RuntimeError) as error:
            raise AblateError(f"{layout.name}: {name} ({part.call}): {error}") from error
        links.append((name, cost, part.drop_path > 0))
        border = cost.output
    rows = tuple(
        Row(name, str(cost.part.call), cost.output.size, cost.params, _work(cost), cost.uncounted)
        for name, cost, _ in links
    )
    return _total(layout, size, rows, _by_stage(rows), tuple(links))


def _whole_cost(layout: Layout, size: tuple[int, int], channels: int, classes: int, batch: int) -> LayoutCost:
    assert layout.timm is not None
    model = whole.timm_model(layout.timm, size, channels, classes, batch)
    rows = tuple(Row(name, "", (), params, work) for name, params, work in whole.split(model))
    return LayoutCost(
        layout, size, model.count.params, _work(model.count), model.count.uncounted, rows, (), model
    )


def _total(
    layout: Layout,
    size: tuple[int, int],
    rows: tuple[Row, ...],
    stages: tuple[Row, ...],
    links: tuple[tuple[str, PartCost, bool], ...],
) -> LayoutCost:
    whole_row = _sum("", rows)
    return LayoutCost(
        layout, size, whole_row.params, whole_row.work, whole_row.uncounted, stages, rows, links
    )


def _work(tally: Tally) -> Tally:
    return Tally(tally.macs, tally.elementwise, tally.bytes, tally.activations)


def _sum(name: str, rows: Sequence[Row]) -> Row:
    return Row(
        name,
        "",
        rows[-1].size,
        sum(row.params for row in rows),
        sum((row.work for row in rows), Tally()),
        tuple(sorted({op for row in rows for op in row.uncounted})),
    )


def _by_stage(rows: Sequence[Row]) -> tuple[Row, ...]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name.partition(".")[0], []).append(row)
    return tuple(_sum(name, group) for name, group in groups.items())


def _compose(links: Sequence[tuple[str, PartCost, bool]], kernel: Kernel) -> Memory:
    forward = [cost.inference_trace(kernel) for _, cost, _ in links]
    if any(
        trace.passes_input for trace in forward
    ):  # two borders are one storage: not to be told from the links
        return trace_chain([cost for _, cost, _ in links], kernel)
    loss = trace_loss(links[-1][1].output)
    backward: list[TrainingTrace] = [loss]
    gradient: Border | None = loss.input_gradient
    for _, cost, drop_path in reversed(links):
        assert gradient is not None, "every link but the first sends a gradient back"
        trace = cost.training_trace(kernel, gradient, drop_path)
        backward.append(trace)
        gradient = trace.input_gradient
    optimizers: list[OptimizerTrace] = []
    last = 0
    for _, cost, _ in links:
        optimizers.append(cost.optimizer_trace(last))
        last = optimizers[-1].last or last
    training = training_memory(backward[::-1], optimizers)
    return Memory(
        weights=sum(cost.weight_bytes for _, cost, _ in links),
        gradients=sum(trace.gradients for trace in backward),
        optimizer=sum(trace.state for trace in optimizers),
        inference_peak=inference_peak(forward),
        saved_activations=training.saved_activations,
        training_peak=training.training_peak,
    )
