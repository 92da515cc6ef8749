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
from ablate.cost.whole import WholeModel
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
    """The parts of a layout that is made of parts, in order."""
    assert not isinstance(cost.source, WholeModel)
    saved = {kernel: _saved(cost, kernel) for kernel in KERNELS}
    found = []
    for index, (name, link, drop_path) in enumerate(cost.source):
        time = 1000 * max(link.macs / limits.macs_per_second, link.bytes / limits.bytes_per_second)
        fused, explicit = saved["fused"][index], saved["math"][index]
        costs = Costs(link.params, link.macs, link.elementwise, link.bytes, fused, explicit, time)
        found.append(Link(name, link.part, link.given.size[2:], drop_path, costs))
    return found


def _saved(cost: LayoutCost, kernel: Kernel) -> list[int]:
    """Bytes that each part saves for the backward pass, with its output where it or the next part saves
    that."""
    assert not isinstance(cost.source, WholeModel)
    gradient: Border | None = trace_loss(cost.source[-1][1].output).input_gradient
    saved: list[int] = []
    next_saves_input = True  # the logits are alive at the end of the forward pass
    for _, link, drop_path in reversed(cost.source):
        assert gradient is not None, "every part but the first sends a gradient back"
        trace = link.training_trace(kernel, gradient, drop_path)
        output = trace.output.bytes if trace.saves_output or next_saves_input else 0
        saved.append(trace.saved + output)
        next_saves_input, gradient = trace.saves_input, trace.input_gradient
    return saved[::-1]


def inference_peak_of(cost: LayoutCost, kernel: Kernel) -> Peak:
    """The peak of one inference and the part that has it."""
    if isinstance(cost.source, WholeModel):
        return Peak(cost.memory_of(kernel).inference_peak, "whole")
    held, best = 0, Peak(0, "")
    for name, link, _ in cost.source:
        trace = link.inference_trace(kernel)
        if held + trace.peak > best.bytes:
            best = Peak(held + trace.peak, name)
        held = trace.output.bytes
    return best
