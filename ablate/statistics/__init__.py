"""What repeated values say: means, differences, intervals, effects, laws. numpy and scipy only.

The names here are stable; every other topic is a file of its own.
"""

from ablate.statistics.compare import (
    Comparison,
    Equivalence,
    Verdict,
    compare,
    compare_ratios,
    correct,
    equivalence,
)
from ablate.statistics.multiple import holm

__all__ = [
    "Comparison",
    "Equivalence",
    "Verdict",
    "compare",
    "compare_ratios",
    "correct",
    "equivalence",
    "holm",
]
