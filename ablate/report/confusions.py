"""How often the trained models of a layout take one class for another: shares of a class's test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ablate.measurements.accuracy import AccuracyValues
from ablate.report.repeats import repeats_of
from ablate.report.results import Results
from ablate.run.facts import ClassesFact


@dataclass(frozen=True, eq=False)
class Confusions:
    """One layout's shares in percent, `(seeds, classes, answers)`; NaN for a class without a test image.

    All seeds see the same test images, so that a class has some in all runs or in none.
    """

    layout: str
    shares: npt.NDArray[np.float64]

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean over seeds, `(classes, answers)`."""
        mean: npt.NDArray[np.float64] = self.shares.mean(0)
        return mean


def confusions(results: Results) -> list[Confusions]:
    """Those of every layout that has some, in the order of the study."""
    known = []
    for name, own in repeats_of(results, "accuracy").items():
        counts = [
            np.array(record.values.confusion, dtype=float)
            for record in own.records
            if isinstance(record.values, AccuracyValues) and record.values.confusion is not None
        ]
        if counts:
            stack = np.stack(counts)
            totals = stack.sum(2, keepdims=True)
            shares = np.divide(100 * stack, totals, out=np.full_like(stack, np.nan), where=totals > 0)
            known.append(Confusions(name, shares))
    return known


def class_names(results: Results, count: int) -> Sequence[str]:
    """What the classes of the study's images are called; their numbers where that is not known."""
    fact = results.knows(ClassesFact)
    names = fact.names if fact is not None else ()
    return names if len(names) == count else [str(number) for number in range(count)]
