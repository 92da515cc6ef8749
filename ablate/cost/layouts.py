"""The cost of a layout: the sum over its parts, and the exact composition of their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.cost import whole
from ablate.cost.chain import Chain, ChainLink
from ablate.cost.count import Tally
from ablate.cost.memory.trace import Memory
from ablate.cost.operators.kernel import KERNELS, Kernel, device_kernel
from ablate.cost.parts import cost_of_link, image_border
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.timm_model import TimmModel
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

    layout: Network
    resolution: tuple[int, int]
    params: int
    work: Tally
    uncounted: tuple[str, ...]
    stage_rows: tuple[Row, ...]
    block_rows: tuple[Row, ...]
    source: Chain | whole.WholeModel

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
        return self.source.training_macs

    def memory_of(self, kernel: Kernel) -> Memory:
        """Memory with one attention kernel, bytes, for training with AdamW: see `ablate.cost.memory`."""
        return self.source.memory(kernel)

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
    network: Network,
    resolution: int | tuple[int, int] = 224,
    channels: int = 3,
    classes: int = 1000,
    batch: int = 1,
) -> LayoutCost:
    """Cost of a network for images (batch, channels, H, W).

    A layout's parts are remembered and added up, a timm model is counted as a whole. Raises `AblateError`
    when the network cannot be built for the size, or refuses it.
    """
    return network.cost(resolution, channels=channels, classes=classes, batch=batch)


def cost_of_parts(
    layout: Layout, resolution: int | tuple[int, int], channels: int, classes: int, batch: int
) -> LayoutCost:
    """`Layout.cost`: the sum over the parts."""
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    links: list[ChainLink] = []
    border = image_border(batch, channels, *size)
    for name, part in parts(layout, channels, classes, size):
        try:
            cost = cost_of_link(part, border)
        except (ValueError, RuntimeError) as error:
            raise AblateError(f"{layout.name}: {name} ({part.call}): {error}") from error
        links.append(ChainLink(name, cost, part.drop_path > 0))
        border = cost.output
    rows = tuple(
        Row(
            link.name,
            str(link.cost.part.call),
            link.cost.output.size,
            link.cost.params,
            link.cost.work,
            link.cost.uncounted,
        )
        for link in links
    )
    total = _sum("", rows)
    chain = Chain(tuple(links))
    return LayoutCost(layout, size, total.params, total.work, total.uncounted, _by_stage(rows), rows, chain)


def cost_of_whole(
    network: TimmModel, resolution: int | tuple[int, int], channels: int, classes: int, batch: int
) -> LayoutCost:
    """`TimmModel.cost`: one count of the whole model, split by its children."""
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    model = whole.timm_model(network.model, size, channels, classes, batch)
    rows = tuple(Row(name, "", (), params, work) for name, params, work in whole.split(model))
    count = model.count
    return LayoutCost(network, size, count.params, _work(count), count.uncounted, rows, (), model)


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
