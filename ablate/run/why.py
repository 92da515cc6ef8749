"""What made a row stale: the parts that keys are made of, kept beside rows and set against those of now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablate.measurements.register import measurement
from ablate.run.closure import code_files
from ablate.run.keys import code_names, condition_ingredients, condition_key, layout_ingredients, layout_key
from ablate.run.ledger import Ledger
from ablate.run.records import Cell, Json
from ablate.study.study import Study


class Parts:
    """What the keys of a study's cells are made of, to be kept beside rows: each part once, by its hash."""

    def __init__(self, study: Study):
        self.layouts = {layout_key(layout): layout for layout in study.layouts.values()}
        self._kept: set[str] = set()

    def of(self, cell: Cell) -> dict[str, Json]:
        """The parts of a cell's key that were not asked for before."""
        entry = measurement(cell.kind)
        parts: dict[str, Json] = {}
        for name in ("layout", "baseline"):
            hashed = cell.made_of.get(name)
            if hashed in self.layouts and hashed not in self._kept:
                parts[hashed] = layout_ingredients(self.layouts[hashed])
        shared = cell.made_of.get("condition")
        if shared and shared not in self._kept:
            parts[shared] = condition_ingredients(entry, cell.condition)
            parts[str(parts[shared]["code"])] = dict(code_files(*code_names(entry, cell.condition)))
        self._kept |= set(parts)
        return parts


def why_stale(ledger: Ledger, study: Study, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """What has changed since the row at a stale cell's place was measured, in words, by the cell's key."""
    if not ledger.keeps_parts:
        return {cell.key: ["its row is of a version that did not keep what it was made of"] for cell in cells}
    wanted = {cell.place for cell in cells}
    query = "SELECT place, made_of FROM rows ORDER BY id"
    before = {place: json.loads(text or "{}") for place, text in ledger.ask(query) if place in wanted}
    kept = {hashed: json.loads(value) for hashed, value in ledger.ask("SELECT hash, value FROM parts")}
    names = Parts(study).layouts
    return {cell.key: list(_changes(cell, before.get(cell.place, {}), kept, names)) for cell in cells}


def _changes(cell: Cell, before: Json, kept: Mapping[str, Json], layouts: Mapping[str, Any]) -> Iterator[str]:
    if not before:
        yield "its row does not say what it was made of"
    entry = measurement(cell.kind)
    for name, hashed in cell.made_of.items():
        old: Any = before.get(name)
        if not before or old == hashed:
            continue
        if name == "input":
            yield f"channels and classes of the input: {_pair(old)} before, {_pair(hashed)} now"
        elif name == "condition":
            if condition_key(entry, cell.condition) == hashed and old in kept:
                now = condition_ingredients(entry, cell.condition)
                yield from _condition_changes(kept[old], now, kept, code_names(entry, cell.condition))
            else:
                yield "the protocol, the code that measures, a version or the device"
        elif old in kept and hashed in layouts:
            whose = "the layout" if name == "layout" else "the baseline"
            yield from _layout_changes(whose, kept[old], layout_ingredients(layouts[hashed]))
        else:
            yield f"the {name}"


def _condition_changes(old: Json, now: Json, kept: Mapping[str, Json], names: Sequence[str]) -> Iterator[str]:
    for name in sorted(set(old) | set(now)):
        before, after = old.get(name), now.get(name)
        if before == after:
            continue
        if name == "code" and before in kept:
            files = dict(code_files(*names))
            changed = _differing(kept[str(before)], files)
            yield f"the code that measures: {', '.join(changed)}" if changed else "the code that measures"
        elif isinstance(before, dict) and isinstance(after, dict):
            for key in _differing(before, after):
                yield f"{key} {before.get(key, '(none)')} before, {after.get(key, '(none)')} now"
        else:
            yield f"{name}: {before} before, {after} now"


def _layout_changes(whose: str, old: Json, now: Json) -> Iterator[str]:
    changed = _differing(old.get("blocks", {}), now.get("blocks", {}))
    both = [name for name in changed if name in old.get("blocks", {}) and name in now.get("blocks", {})]
    if both:
        yield f"the code of {', '.join(both)}{'' if whose == 'the layout' else f', used by {whose}'}"
    if old.get("layout") != now.get("layout"):
        settings = _differing(old.get("layout") or {}, now.get("layout") or {})
        yield f"{whose} itself: {', '.join(settings)}"
    if old.get("versions") != now.get("versions"):
        for key in _differing(old.get("versions", {}), now.get("versions", {})):
            yield f"{key} {old.get('versions', {}).get(key)} before, {now.get('versions', {}).get(key)} now"


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted(set(a) | set(b)) if a.get(name) != b.get(name)]


def _pair(value: Any) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else "not known"
