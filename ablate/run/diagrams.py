"""The drawings of a study's layouts, worked out by workers and kept in its ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ablate.layout.layout import Layout
from ablate.run.closure import code_hash
from ablate.run.executors.base import Executor
from ablate.run.kept import keep
from ablate.run.keyed_facts import DiagramFact, DiagramRecord
from ablate.run.keys import layout_key, version
from ablate.run.ledger import Ledger
from ablate.run.prepare import study_job
from ablate.run.records import Job, Outcome, digest
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
    condition = {"resolution": study.input.resolution}

    def job_of(name: str) -> Job:
        return replace(study_job(study, _DIAGRAMS, [name]), condition=condition, where="counted")

    def record_of(name: str, outcome: Outcome) -> DiagramRecord | None:
        return DiagramRecord.from_json(outcome.values) if outcome.values is not None else None

    keys = {layout.name: _key(study, layout) for layout in layouts}
    keep(DiagramFact, keys, job_of, record_of, ledger, executor)


def _key(study: Study, layout: Layout) -> str:
    made_of = [layout_key(layout), code_hash(_DIAGRAMS), version("torch")]
    return digest([*made_of, study.input.resolution, study.input.channels])
