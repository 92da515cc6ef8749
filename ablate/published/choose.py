"""Which published models keep to a budget, and which of them no other beats.

MACs and parameters are this project's counts, memory is predicted, speed and accuracy are the published ones.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files

from ablate.errors import AblateError, did_you_mean
from ablate.published.record import DEVICES, Figure, accuracies, figures, speeds
from ablate.statistics.front import not_beaten

_BYTES_OF_A_WEIGHT = 4  # fp32


@dataclass(frozen=True)
class Budget:
    """Upper limits; None is none. Memory is that of one image in fp32: weights and peak of a forward pass."""

    macs: float | None = None
    params: float | None = None
    memory: float | None = None  # bytes

    def allows(self, macs: int, params: int, memory: int | None = None) -> bool:
        """Whether a model keeps to the limits; memory that is not known yet is not judged."""
        pairs = ((self.macs, macs), (self.params, params), (self.memory, memory))
        return all(limit is None or value is None or value <= limit for limit, value in pairs)


@dataclass(frozen=True)
class Candidate:
    """A published model at one size."""

    model: str
    resolution: int
    macs: int  # counted
    params: int  # counted
    top1: float | None  # published, percent, of the best weights at this size
    weights: str  # their tag
    speed: float | None  # published, images per second on the device that was asked for
    memory: int | None = None  # predicted bytes, once it was asked for


@dataclass(frozen=True)
class Choice:
    """The models within a budget, the most accurate first, and the front among all of them."""

    within: int  # how many keep to the limits on MACs and parameters
    shown: tuple[Candidate, ...]
    front: tuple[Candidate, ...]  # in ascending MACs


@cache
def counts() -> dict[tuple[str, int], tuple[int, int]]:
    """Exact MACs and parameters by model and size, as the audit of the record counted them."""
    with (files("ablate.published") / "counts.csv").open(encoding="utf-8") as lines:
        return {
            (row["model"], int(row["resolution"])): (int(row["macs"]), int(row["params"]))
            for row in csv.DictReader(lines)
        }


def candidates(device: str | None = None) -> list[Candidate]:
    """All published models, by model and size. Raises `AblateError` for a device without published speeds."""
    if device is not None and device not in DEVICES:
        raise AblateError(f"no published speed on {device!r}{did_you_mean(device, list(DEVICES))}")
    speed = {} if device is None else speeds(device)
    return [_candidate(figure, speed) for figure in figures() if figure.key in counts()]


def choose(
    budget: Budget,
    device: str | None = None,
    show: int = 10,
    memory: Callable[[str, int], int] | None = None,
) -> Choice:
    """The `show` most accurate models within a budget, and the front of those that keep to it.

    A model is on the front when none has at most its MACs, at least its accuracy and, with a device, at least
    its speed, and is better in one of them; only models with all of these figures can be on it.
    `memory(model, resolution)` predicts bytes; it is asked only where an answer depends on it.
    """
    predict = memory or predicted_memory
    within = [
        candidate
        for candidate in candidates(device)
        if budget.allows(candidate.macs, candidate.params, _BYTES_OF_A_WEIGHT * candidate.params)
    ]
    ranked = sorted(within, key=lambda c: (c.top1 is None, -(c.top1 or 0.0), c.macs, c.model))
    shown: list[Candidate] = []
    for candidate in ranked:
        if len(shown) == show:
            break
        known = replace(candidate, memory=predict(candidate.model, candidate.resolution))
        if budget.allows(known.macs, known.params, known.memory):
            shown.append(known)
    return Choice(len(within), tuple(shown), tuple(_front(ranked, budget, device, predict)))


def _front(
    ranked: Sequence[Candidate], budget: Budget, device: str | None, predict: Callable[[str, int], int]
) -> list[Candidate]:
    """The front; where memory is limited, models on it that need too much leave it, and it is drawn again."""
    complete = [c for c in ranked if c.top1 is not None and (device is None or c.speed is not None)]
    while True:
        points = [(c.macs, -(c.top1 or 0.0), -(c.speed or 0.0)) for c in complete]
        front = [complete[index] for index in not_beaten(points)]
        if budget.memory is not None:
            front = [replace(c, memory=predict(c.model, c.resolution)) for c in front]
        too_large = {(c.model, c.resolution) for c in front if not budget.allows(c.macs, c.params, c.memory)}
        if not too_large:
            return sorted(front, key=lambda c: c.macs)
        complete = [c for c in complete if (c.model, c.resolution) not in too_large]


@lru_cache(4096)
def predicted_memory(model: str, resolution: int) -> int:
    """Bytes of the weights and of the peak of a forward pass of one image, fp32, attention fused."""
    import torch

    from ablate.cost.memory.trace import module_tensors, storage_bytes, trace_inference
    from ablate.published.networks import network

    module = network(model, resolution).module
    image = torch.empty((1, 3, resolution, resolution), device="meta")
    return storage_bytes(module_tensors(module)) + trace_inference(module, image, "fused")


def _candidate(figure: Figure, speed: dict[tuple[str, int], float]) -> Candidate:
    macs, params = counts()[figure.key]
    best = accuracies().get(figure.key, (None,))[0]
    return Candidate(
        figure.model,
        figure.resolution,
        macs,
        params,
        None if best is None else best.top1,
        "" if best is None else best.weights,
        speed.get(figure.key),
    )


@dataclass(frozen=True)
class Place:
    """Where a cost lies among the models within a budget: how many are cheaper, and the neighbours."""

    cheaper: int
    of: int
    below: Candidate | None
    above: Candidate | None


def place(macs: int, budget: Budget, device: str | None = None) -> Place:
    """The place of a number of MACs among the models that keep to the limits on MACs and parameters."""
    within = sorted((c for c in candidates(device) if budget.allows(c.macs, c.params)), key=lambda c: c.macs)
    cheaper = sum(c.macs < macs for c in within)
    below = within[cheaper - 1] if cheaper else None
    above = within[cheaper] if cheaper < len(within) else None
    return Place(cheaper, len(within), below, above)
