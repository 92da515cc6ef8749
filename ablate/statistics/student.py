"""Student's t: quantiles and p values. Without `scipy.stats`, which takes a second to import."""

from __future__ import annotations

import math

from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
ALPHA = 0.05  # the error that every verdict keeps: 1 - CONFIDENCE


def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t: 12.7 for 1 degree of freedom, 4.30 for 2."""
    return float(stdtrit(freedom, (1 + confidence) / 2))


def t_two_sided(statistic: float, freedom: float) -> float:
    """The probability of a statistic at least this far from 0, on either side."""
    return float(2 * stdtr(freedom, -abs(statistic))) if math.isfinite(statistic) else math.nan


def t_above(statistic: float, freedom: float) -> float:
    """The probability of a statistic at least as large: p of the test against "not greater"."""
    return float(stdtr(freedom, -statistic))
