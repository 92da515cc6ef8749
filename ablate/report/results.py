"""A study's records, opened: what was planned of each measurement, what is done, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from ablate.measurements.register import measurement
from ablate.quantities import Quantity
from ablate.report.renamed import with_present_names
from ablate.run.facts import Fact, StudyFact
from ablate.run.ledger import Ledger
from ablate.run.records import plain
from ablate.run.rows import AnyRecord

F = TypeVar("F", bound=Fact)


class Results:
    """All planned cells of a study, finished or not, and the facts about it.

    `layouts` keeps the order of the plan, `texts` says what each layout is (its pattern, when known),
    `baseline` is the layout the others are compared to (the first one when the study names none).
    `reference` is the resolution of the tables that show one: as given, else 224 when it was counted, else
    the lowest resolution counted.
    """

    def __init__(self, records: Sequence[AnyRecord], study: StudyFact, facts: Iterable[Fact] = ()):
        self.fact = study
        self.study = study.title
        self.layouts: tuple[str, ...] = tuple(dict.fromkeys(record.layout for record in records))
        known = study.baseline if study.baseline in self.layouts else None
        self.baseline = known or next(iter(self.layouts), None)
        self.records = tuple(with_present_names(records, self.baseline))
        self.texts = {name: study.layouts.get(name, name) for name in self.layouts}
        self._facts = {type(fact): fact for fact in facts}
        self._by_kind: dict[str, list[AnyRecord]] = {}
        self._by_layout: dict[tuple[str, str], list[AnyRecord]] = {}
        for record in self.records:
            self._by_kind.setdefault(record.kind, []).append(record)
            self._by_layout.setdefault((record.kind, record.layout), []).append(record)
        self._varying: dict[str, set[str]] = {}
        self._resolutions: dict[str, list[int]] = {}

    @classmethod
    def of(cls, ledger: Ledger, facts: Iterable[type[Fact]] = ()) -> Results:
        """What a ledger holds."""
        study = ledger.read(StudyFact) or StudyFact(ledger.path.parent.name)
        known = (ledger.read(fact) for fact in facts)
        return cls(ledger.records(), study, [fact for fact in known if fact is not None])

    def knows(self, fact: type[F]) -> F | None:
        """The fact of this kind; None when the study has none."""
        known = self._facts.get(fact)
        return known if isinstance(known, fact) else None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The measurements that were planned, in the order of the plan."""
        return tuple(self._by_kind)

    def planned(self, kind: str, **condition: Any) -> list[AnyRecord]:
        """The planned cells of a measurement whose layout and condition have these values."""
        layout = condition.pop("layout", None)
        if layout is not None:  # tables ask this of every layout
            return select(self._by_layout.get((kind, layout), ()), **condition)
        return select(self._by_kind.get(kind, ()), **condition)

    def done(self, kind: str, **condition: Any) -> list[AnyRecord]:
        """The finished ones of them."""
        return [record for record in self.planned(kind, **condition) if record.state == "done"]

    @cached_property
    def not_done(self) -> list[AnyRecord]:
        """The records that are failed, stale or missing."""
        return [record for record in self.records if record.state != "done"]

    @cached_property
    def reference(self) -> int | None:
        """The resolution of one-resolution tables, in pixels; None when no cell has one."""
        kinds = ("complexity", "memory", "throughput")
        counted = next((sides for kind in kinds if (sides := self.resolutions(kind))), [])
        if self.fact.reference in counted or not counted:
            return self.fact.reference
        return 224 if 224 in counted else counted[0]

    def resolutions(self, kind: str) -> list[int]:
        """Resolutions planned for a kind, ascending."""
        if kind not in self._resolutions:  # tables ask this of every layout
            sides = {record.at("resolution") for record in self._by_kind.get(kind, ())}
            self._resolutions[kind] = sorted(int(side) for side in sides if side is not None)
        return list(self._resolutions[kind])

    def nearest(self, kind: str) -> int | None:
        """The planned resolution of a kind that is nearest (in ratio) to the reference."""
        planned = self.resolutions(kind)
        if not planned:
            return None
        reference = self.reference or planned[0]
        return min(planned, key=lambda side: max(side / reference, reference / side))

    def shown_at(self, kind: str) -> int | None:
        """The resolution at which one number of a kind is shown: the reference, else the nearest to it."""
        return self.reference if self.reference in self.resolutions(kind) else self.nearest(kind)

    def conditions(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """The distinct values of these entries of the conditions of a kind, in the order of the plan."""
        distinct: dict[str, dict[str, Any]] = {}
        for record in self.planned(kind):
            entries = {name: record.at(name) for name in names if name in type(record.condition).model_fields}
            distinct.setdefault(json.dumps(entries, default=str), entries)
        return [entries for entries in distinct.values() if entries]

    def varying(self, kind: str) -> set[str]:
        """Entries of a kind's conditions that differ between its cells: those that tell its cells apart."""
        if kind in self._varying:
            return self._varying[kind]
        values: dict[str, set[str]] = {}
        for condition in {id(record.condition): record.condition for record in self.planned(kind)}.values():
            for name in type(condition).model_fields:
                values.setdefault(name, set()).add(str(getattr(condition, name)))
        self._varying[kind] = {name for name, different in values.items() if len(different) > 1}
        return self._varying[kind]

    def of_layouts(self, layouts: Iterable[str]) -> Results:
        """The results of these layouts alone, in the plan's order."""
        kept = set(layouts)
        records = [record for record in self.records if record.layout in kept]
        return Results(records, self.fact, self._facts.values())

    def provenances(self) -> Iterator[Any]:
        """The provenance of every row that has one."""
        return (record.provenance for record in self.records if record.provenance is not None)


def select(records: Iterable[AnyRecord], **condition: Any) -> list[AnyRecord]:
    """The records whose layout and condition have these values; entries that are None do not restrict."""
    wanted = {name: value for name, value in condition.items() if value is not None}
    return [
        record
        for record in records
        if all((record.layout if name == "layout" else record.at(name)) == wanted[name] for name in wanted)
    ]


def curve(records: Iterable[AnyRecord], quantity: Quantity) -> dict[int, float]:
    """A quantity in its displayed unit by resolution, ascending; what is not known is left out."""
    points = {
        int(record.at("resolution")): quantity.value(record.values) / quantity.scale
        for record in records
        if record.values is not None
    }
    return {side: points[side] for side in sorted(points) if points[side] == points[side]}


def kind_quantities(kind: str) -> tuple[Quantity, ...]:
    """The quantities of a measurement that tables of all of them show."""
    return tuple(quantity for quantity in measurement(kind).quantities if quantity.listed)


def describe(condition: Mapping[str, Any]) -> str:
    """A condition in words, for a table: `resolution 224, batch 32, fp32`."""
    parts = []
    for key, value in condition.items():
        if value is None or value is False:
            continue
        number = f"{value:g}" if isinstance(value, float) else value
        parts.append(str(key) if value is True else f"{key} {number}")
    return ", ".join(parts)


def distinguishing(results: Results, record: AnyRecord) -> dict[str, Any]:
    """The entries of a record's condition that tell it from the study's other cells of its kind."""
    varying = results.varying(record.kind)
    return {name: value for name, value in plain(record.condition).items() if name in varying}
