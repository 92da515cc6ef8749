"""The memory of a chain, composed exactly from its links' traces.

With x_0 the network's input (not counted), x_n the logits and the loss as the last link, b_i the bytes of
x_i (b_0 = 0):

* inference peak: max_i (b_{i-1} + peak_i), for the loop holds x_{i-1} while link i runs;
* alive before link i in the forward pass of training: what the links j < i saved, the borders x_j, j < i -
1, that
  link j or link j + 1 keeps, and x_{i-1};
* alive before link i's backward pass: what the links j < i saved and keep of their borders, and the
gradients of the
  weights of all links after i, because the backward pass runs from the last link to the first.

The optimizer's state is alive all the time, its steps come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.cost.memory.links import InferenceTrace, OptimizerTrace, TrainingTrace


@dataclass(frozen=True)
class ChainMemory:
    """Bytes, as `ablate.cost.memory.trace` defines them."""

    saved_activations: int
    training_peak: int


def inference_peak(links: Sequence[InferenceTrace]) -> int:
    """The most that is alive at once while the chain runs without gradients."""
    held, peak = 0, 0
    for link in links:
        peak = max(peak, held + link.peak)
        held = link.output.bytes
    return peak


def training_memory(links: Sequence[TrainingTrace], optimizers: Sequence[OptimizerTrace]) -> ChainMemory:
    """Saved activations and the peak of a training step; the last of the `links` is the loss."""
    saved, peaks, logits_saved = 0, [], 0
    before: list[int] = []  # alive before each link's backward pass, the later links' gradients left out
    previous: TrainingTrace | None = None
    for link in links:
        held = previous.output.bytes if previous else 0
        kept_by_previous = held if previous and previous.saves_output else 0
        peaks.append(saved + held + link.forward_peak)
        before.append(saved + kept_by_previous)
        logits_saved = saved + held
        saved += link.saved + (held if kept_by_previous or link.saves_input else 0)
        previous = link
    loss = 2 * links[-1].output.bytes  # the loss and the ones it is seeded with are held until the end
    gradients = 0
    for index in range(len(links) - 1, -1, -1):
        link = links[index]
        follows_keeper = index > 0 and links[index - 1].saves_output
        own = link.backward_peak_apart if follows_keeper else link.backward_peak
        ends = 0 if index == len(links) - 1 else loss
        peaks.append(before[index] + own + gradients + ends)
        gradients += link.gradients
    state = sum(trace.state for trace in optimizers)
    step = gradients + links[-1].output.bytes + max(trace.step_peak for trace in optimizers)
    return ChainMemory(logits_saved, state + max(*peaks, step))
