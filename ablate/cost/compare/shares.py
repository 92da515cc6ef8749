"""What every part of a layout contributes to its additive costs, and where its peak of memory lies.

A tensor between two parts that either of them saves for the backward pass is counted with the part that
makes it, so that the saved activations of the parts add up to those of the layout.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ablate.cost.layouts import LayoutCost
from ablate.cost.memory.links import Border, trace_loss
from ablate.cost.operators.kernel import KERNELS, Kernel
from ablate.cost.roofline import MachinePeak, roofline_seconds
from ablate.model import Part


@dataclass(frozen=True)
class Costs:
    """The additive costs of one part, or the difference of two."""

    params: int = 0
    macs: int = 0
    elementwise: int = 0
    bytes: int = 0  # moved in a forward pass with fused attention
    saved_fused: int = 0  # bytes saved for the backward pass, by attention kernel
    saved_math: int = 0
    time_ms: float = 0.0  # roofline

    def __add__(self, other: Costs) -> Costs:
        return Costs(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Costs) -> Costs:
        return Costs(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Peak:
    """The most bytes alive at once in one inference, above weights and input, and the part that needs
    them."""

    bytes: int
    part: str


@dataclass(frozen=True)
class Link:
    """One part where it stands: its name, what it is, the size of its input, whether stochastic depth is
    on."""

    name: str
    part: Part
    tokens: tuple[int, ...]
    drop_path: bool
    costs: Costs

    @property
    def place(self) -> str:
        """`stem`, `stage2`, `head`."""
        return self.name.partition(".")[0]


def total_costs(cost: LayoutCost, limits: MachinePeak) -> Costs:
    """The additive costs of a whole layout."""
    saved = [cost.memory_of(kernel).saved_activations for kernel in ("fused", "math")]
    time = 1000 * roofline_seconds(cost, limits)
    return Costs(cost.params, cost.macs, cost.elementwise, cost.bytes, saved[0], saved[1], time)


def links(cost: LayoutCost, limits: MachinePeak) -> list[Link]:
    """The parts of a layout, in order; of a timm model there are none."""
    saved = {kernel: _saved(cost, kernel) for kernel in KERNELS}
    chain = []
    for index, link in enumerate(cost.source.links):
        part, work = link.cost, link.cost.work
        time = 1000 * max(work.macs / limits.macs_per_second, work.bytes / limits.bytes_per_second)
        fused, explicit = saved["fused"][index], saved["math"][index]
        costs = Costs(part.params, work.macs, work.elementwise, work.bytes, fused, explicit, time)
        chain.append(Link(link.name, part.part, part.given.size[2:], link.drop_path, costs))
    return chain


def _saved(cost: LayoutCost, kernel: Kernel) -> list[int]:
    """Bytes that each part saves for the backward pass, with its output where it or the next part saves
    that."""
    links = cost.source.links
    gradient: Border | None = trace_loss(links[-1].cost.output).input_gradient if links else None
    saved: list[int] = []
    next_saves_input = True  # the logits are alive at the end of the forward pass
    for link in reversed(links):
        assert gradient is not None, "every part but the first sends a gradient back"
        trace = link.cost.training_trace(kernel, gradient, link.drop_path)
        output = trace.output.bytes if trace.saves_output or next_saves_input else 0
        saved.append(trace.saved + output)
        next_saves_input, gradient = trace.saves_input, trace.input_gradient
    return saved[::-1]


def inference_peak_of(cost: LayoutCost, kernel: Kernel) -> Peak:
    """The peak of one inference and the part that has it."""
    if not cost.source.links:
        return Peak(cost.memory_of(kernel).inference_peak, "whole")
    held, best = 0, Peak(0, "")
    for link in cost.source.links:
        trace = link.cost.inference_trace(kernel)
        if held + trace.peak > best.bytes:
            best = Peak(held + trace.peak, link.name)
        held = trace.output.bytes
    return best
