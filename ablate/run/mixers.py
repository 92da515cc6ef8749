"""What a study's parts say about themselves: their caveats, and how much a mixer can know of an image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import blocks
from ablate.layout.layout import Layout
from ablate.run.closure import code_hash
from ablate.run.executors.base import Executor
from ablate.run.facts import MixerFact, MixerRecord
from ablate.run.keys import layout_key, parts_used, version
from ablate.run.ledger import Ledger
from ablate.run.prepare import study_job
from ablate.run.records import Job, digest
from ablate.study.study import Study

_MIXERS = "ablate.runners.mixers:run"


def caveats(study: Study) -> tuple[str, ...]:
    """`key_only: a reconstruction ...`: the caveats of all parts that the layouts use, each once."""
    known: dict[str, None] = {}
    for kinds, call in dict.fromkeys(part for layout in _layouts(study) for part in parts_used(layout)):
        if caveat := blocks.get(call.name, *kinds).caveat:
            known.setdefault(f"{call.name}: {caveat}.")
    return tuple(known)


def keep_mixers(study: Study, ledger: Ledger, executor: Executor, names: Collection[str]) -> None:
    """Put the mixers of these layouts into the ledger, each with its summary sizes at the study's resolution.

    A worker builds the parts and sends an image through them, which blocks of a user may not survive: to be
    called after the cells, with layouts that have a finished one. Nothing is done where the ledger has them.
    """
    chosen = [layout for layout in _layouts(study) if layout.name in names]
    resolution = study.input.resolution
    made_of = [[layout.name, layout_key(layout)] for layout in chosen]
    key = digest([made_of, resolution, study.input.channels, code_hash(_MIXERS), version("torch")])
    known = ledger.read(MixerFact)
    if known is not None and known.key == key:
        return

    def job(layouts: Sequence[Layout]) -> Job:
        job = study_job(study, _MIXERS, [layout.name for layout in layouts])
        return replace(job, condition={"resolution": resolution}, where="counted")

    outcomes = [outcome for _, outcome in executor.run([job(chosen)] if chosen else [])]
    if any(outcome.failure for outcome in outcomes):  # of one layout: the others have theirs all the same
        outcomes = [outcome for _, outcome in executor.run([job([layout]) for layout in chosen])]
    by_layout: dict[str, Any] = {}
    for outcome in outcomes:
        by_layout |= (outcome.values or {}).get("mixers", {})
    in_order = {layout.name: by_layout.get(layout.name, ()) for layout in chosen}
    ledger.write(MixerFact(_rows(in_order), resolution, key))


def _rows(by_layout: Mapping[str, Any]) -> tuple[MixerRecord, ...]:
    """Layouts that use a mixer at the same sizes share a record."""
    rows: dict[MixerRecord, MixerRecord] = {}
    for name, mixers in by_layout.items():
        for mixer in mixers:
            row = MixerRecord.from_json(mixer)
            known = rows.get(row, row)
            rows[row] = replace(known, layouts=(*known.layouts, name))
    return tuple(rows.values())


def _layouts(study: Study) -> list[Layout]:
    return [layout for layout in study.layouts.values() if isinstance(layout, Layout)]
