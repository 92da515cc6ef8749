"""The drawings of a study's layouts, worked out by workers and kept in its ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib import metadata

from ablate.layout.layout import Layout
from ablate.run.closure import code_hash
from ablate.run.executors.base import Executor
from ablate.run.facts import DiagramFact, DiagramRecord
from ablate.run.keys import block_sources
from ablate.run.ledger import Ledger
from ablate.run.prepare import study_job
from ablate.run.records import digest
from ablate.study.study import Study

_DIAGRAMS = "ablate.runners.diagrams:run"
MOST = 200  # layouts that are drawn


def keep_diagrams(study: Study, ledger: Ledger, executor: Executor, without: Collection[str] = ()) -> None:
    """Put the drawings of a study's first 200 layouts into its ledger; those that stand there are kept.

    A model of timm has none, and neither has a layout whose blocks fail. Reach is measured by real passes: to
    be called after the cells, `without` layouts that have undone ones, which may never end.
    """
    layouts = [
        layout
        for layout in study.layouts.values()
        if isinstance(layout, Layout) and layout.name not in without
    ][:MOST]
    known = ledger.read(DiagramFact) or DiagramFact()
    keys = {layout.name: _key(study, layout) for layout in layouts}
    kept = {row.layout: row for row in known.rows if known.keys.get(row.layout) == keys.get(row.layout)}
    condition = {"resolution": study.input.resolution}
    jobs = [
        replace(study_job(study, _DIAGRAMS, [name]), condition=condition, where="counted")
        for name in keys
        if name not in kept
    ]
    for job, outcome in executor.run(jobs):
        if outcome.values is not None:
            kept[next(iter(job.layouts))] = DiagramRecord.from_json(outcome.values)
    drawn = [name for name in keys if name in kept]
    ledger.write(DiagramFact(tuple(kept[name] for name in drawn), {name: keys[name] for name in drawn}))


def _key(study: Study, layout: Layout) -> str:
    made_of = [layout.to_yaml_dict(), block_sources(layout), code_hash(_DIAGRAMS), metadata.version("torch")]
    return digest([*made_of, study.input.resolution, study.input.channels])
