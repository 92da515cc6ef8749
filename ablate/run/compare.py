"""Two results of one study, number by number, with intervals; and bounds on what may have changed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ablate.errors import AblateError
from ablate.layout.sizes import NUMBER
from ablate.measurements.register import measurement, quantity
from ablate.quantities import Quantity
from ablate.run.ledger import Ledger
from ablate.run.records import plain
from ablate.run.rows import AnyRecord
from ablate.statistics.compare import Comparison, compare, correct

Verdict = Literal["same", "higher", "lower", "not resolved"]
_BOUND = re.compile(rf"\s*(\w+)\s*({NUMBER})\s*(%?)\s*")


@dataclass(frozen=True)
class Difference:
    """A quantity of one layout under one condition, before and after, in its displayed unit.

    `change` is relative (0.05 is 5 %), of quantities in percent absolute (points); `low` and `high` bound its
    95 % interval, and are NaN where there is none. `measured`: a difference may be chance.
    """

    layout: str
    kind: str
    condition: str
    quantity: Quantity
    before: float
    after: float
    change: float
    low: float = math.nan
    high: float = math.nan
    measured: bool = True
    resolved: bool = False
    identical: bool = False  # every value of the one is that of the other, bit for bit
    devices: tuple[str, str] = ("", "")

    @property
    def verdict(self) -> Verdict:
        """What may be said of it: measured numbers without an interval are never resolved."""
        if self.change == 0 and (self.identical or not self.measured):
            return "same"
        if not self.resolved:
            return "not resolved"
        return "higher" if self.change > 0 else "lower" if self.change < 0 else "same"


@dataclass(frozen=True)
class Lost:
    """A cell that was done before and is not done after."""

    layout: str
    kind: str
    condition: str
    status: str
    reason: str


@dataclass(frozen=True)
class Bound:
    """How much a quantity may change: `latency +5%` allows 5 % more, `accuracy -0.5` half a point less."""

    quantity: str
    limit: float
    text: str

    def exceeded(self, difference: Difference) -> bool:
        """Whether a change is certain, and larger than what is allowed."""
        if difference.quantity.name != self.quantity or not difference.resolved:
            return False
        beyond = difference.change - self.limit
        return beyond > 1e-12 if self.upwards else beyond < -1e-12

    @property
    def upwards(self) -> bool:
        """Whether it bounds growth."""
        return not math.copysign(1, self.limit) < 0


def parse_bound(text: str) -> Bound:
    """`latency +5%` as a bound. Raises `AblateError` for another form and for an unknown quantity."""
    match = _BOUND.fullmatch(text)
    if match is None or match[2][0] not in "+-":
        raise AblateError(
            f"expected a quantity and a change, as 'latency +5%' or 'accuracy -0.5', got {text!r}"
        )
    wanted = quantity(match[1])
    points = wanted.unit == "%"
    if not match[3] and not points:
        raise AblateError(f"the change of {wanted.name} is in percent: {match[1]} {match[2]}%")
    return Bound(wanted.name, float(match[2]) / (1 if points else 100), text)


def differences(
    before: Ledger, after: Ledger, named: Sequence[str] = ()
) -> tuple[list[Difference], list[Lost]]:
    """Every quantity that both ledgers have, and the cells that the second one lost.

    Listed quantities, or those that are `named`. Repeated cells are paired by seed
    (`ablate.statistics.compare`, corrected by Holm over them all); values with intervals of their own are
    compared on the logarithm, their errors being independent; counted numbers are exact.
    """
    places = [_places(ledger.records()) for ledger in (before, after)]
    common = [place for place in places[0] if place in places[1]]
    pairs = [
        difference for place in common for difference in _compared(places[0][place], places[1][place], named)
    ]
    tested = {str(index): test for index, (_, test) in enumerate(pairs) if test is not None}
    corrected = correct(tested)
    rows = [
        replace(difference, resolved=corrected[str(index)].resolved) if test is not None else difference
        for index, (difference, test) in enumerate(pairs)
    ]
    return rows, list(_lost(before.records(), after.records()))


def _places(records: Sequence[AnyRecord]) -> dict[tuple[str, str, str], list[AnyRecord]]:
    """Records by layout, measurement and condition, the seed aside."""
    places: dict[tuple[str, str, str], list[AnyRecord]] = {}
    for record in records:
        condition = {key: value for key, value in plain(record.condition).items() if key != "seed"}
        places.setdefault((record.layout, record.kind, json.dumps(condition)), []).append(record)
    return places


def _compared(
    before: Sequence[AnyRecord], after: Sequence[AnyRecord], named: Sequence[str]
) -> Iterator[tuple[Difference, Comparison | None]]:
    first = before[0]
    entry = measurement(first.kind)
    for wanted in entry.quantities:
        if wanted.name in named if named else wanted.listed and wanted.better != "neither":
            a, b = _values(before, wanted), _values(after, wanted)
            if a and b:
                made = _difference(first, wanted, a, b, before, after)
                yield made


def _difference(
    first: AnyRecord,
    wanted: Quantity,
    a: dict[int, float],
    b: dict[int, float],
    before: Sequence[AnyRecord],
    after: Sequence[AnyRecord],
) -> tuple[Difference, Comparison | None]:
    old, new = sum(a.values()) / len(a), sum(b.values()) / len(b)
    points = wanted.unit == "%"
    unit = wanted.scale if points else abs(old) if old else 1.0
    counted = measurement(first.kind).where == "counted"
    difference = Difference(
        first.layout,
        first.kind,
        _words(first),
        wanted,
        old / wanted.scale,
        new / wanted.scale,
        (new - old) / unit,
        measured=not counted,
        resolved=counted,
        identical=a == b,
        devices=(_device(before), _device(after)),
    )
    if counted:
        return difference, None
    if wanted.repeats:
        test = compare(b, a)
        mean, low, high = (number / unit for number in (test.mean, test.low, test.high))
        return replace(difference, change=mean, low=low, high=high), test
    ends = [wanted.interval(records[0].values) for records in (before, after)]
    if all(0 < low <= high for low, high in ends) and old > 0 and new > 0 and not points:
        ratio = math.log(new / old)
        below = math.hypot(*(math.log(value / low) for value, (low, _) in zip((old, new), ends, strict=True)))
        above = math.hypot(
            *(math.log(high / value) for value, (_, high) in zip((old, new), ends, strict=True))
        )
        half = max(below, above)
        low, high = math.expm1(ratio - half), math.expm1(ratio + half)
        return replace(difference, low=low, high=high, resolved=low > 0 or high < 0), None
    return difference, None


def _values(records: Sequence[AnyRecord], wanted: Quantity) -> dict[int, float]:
    """The stored number by seed; cells that are not done have none."""
    values = {
        int(record.at("seed") or 0): wanted.value(record.values)
        for record in records
        if record.state == "done" and record.values is not None
    }
    return {seed: value for seed, value in values.items() if math.isfinite(value)}


def _device(records: Sequence[AnyRecord]) -> str:
    devices = {record.provenance.device or "" for record in records if record.provenance is not None}
    return ", ".join(sorted(devices - {""}))


def _words(record: AnyRecord) -> str:
    names = ("resolution", "mode", "precision", "kernel", "dataset", "batch")
    return ", ".join(f"{name} {record.at(name)}" for name in names if record.at(name) is not None)


def _lost(before: Sequence[AnyRecord], after: Sequence[AnyRecord]) -> Iterator[Lost]:
    def place(record: AnyRecord) -> tuple[str, str, str]:
        return record.layout, record.kind, json.dumps(plain(record.condition))

    done = {place(record) for record in before if record.state == "done"}
    for record in after:
        if record.state != "done" and place(record) in done:
            yield Lost(record.layout, record.kind, _words(record), record.status, record.reason)
