"""A chain of counted parts: the exact composition of their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.cost.memory.chain import inference_peak, training_memory
from ablate.cost.memory.links import Border, OptimizerTrace, TrainingTrace, trace_loss
from ablate.cost.memory.trace import Memory
from ablate.cost.operators.kernel import Kernel
from ablate.cost.parts import PartCost, trace_chain


@dataclass(frozen=True)
class ChainLink:
    """A part where it stands; `drop_path` says whether stochastic depth is on."""

    name: str
    cost: PartCost
    drop_path: bool


@dataclass(frozen=True)
class Chain:
    """The counted parts of a layout, in order, and what only all of them together have."""

    links: tuple[ChainLink, ...]

    @property
    def training_macs(self) -> int:
        """MACs of forward and backward pass."""
        return sum(link.cost.training_macs for link in self.links)

    def memory(self, kernel: Kernel) -> Memory:
        """Memory with one attention kernel, bytes."""
        return _compose(self.links, kernel)

    def inference_memory(self) -> int:
        """Bytes of the weights and the peak of one inference above them, attention fused."""
        traces = [link.cost.inference_trace("fused") for link in self.links]
        return sum(link.cost.weight_bytes for link in self.links) + inference_peak(traces)


def _compose(links: Sequence[ChainLink], kernel: Kernel) -> Memory:
    forward = [link.cost.inference_trace(kernel) for link in links]
    if any(trace.passes_input for trace in forward):
        # two borders are one storage, which the links alone cannot tell
        return trace_chain([link.cost for link in links], kernel)
    loss = trace_loss(links[-1].cost.output)
    backward: list[TrainingTrace] = [loss]
    gradient: Border | None = loss.input_gradient
    for link in reversed(links):
        assert gradient is not None, "every link but the first sends a gradient back"
        trace = link.cost.training_trace(kernel, gradient, link.drop_path)
        backward.append(trace)
        gradient = trace.input_gradient
    optimizers: list[OptimizerTrace] = []
    last = 0
    for link in links:
        optimizers.append(link.cost.optimizer_trace(last))
        last = optimizers[-1].last or last
    training = training_memory(backward[::-1], optimizers)
    return Memory(
        weights=sum(link.cost.weight_bytes for link in links),
        gradients=sum(trace.gradients for trace in backward),
        optimizer=sum(trace.state for trace in optimizers),
        inference_peak=inference_peak(forward),
        saved_activations=training.saved_activations,
        training_peak=training.training_peak,
    )
