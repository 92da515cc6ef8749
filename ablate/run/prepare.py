"""What a study needs before its cells: layouts at one budget, and the formulas of its blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ablate.errors import AblateError, LayoutError, Problem
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.layout.settings import LayoutSettings
from ablate.run.closure import code_hash
from ablate.run.executors.base import Executor
from ablate.run.facts import MatchFact
from ablate.run.kept import keep
from ablate.run.keyed_facts import FormulaFact, FormulaRecord
from ablate.run.keys import block_sources, layout_key, version
from ablate.run.ledger import Ledger
from ablate.run.records import Job, Json, Outcome, digest
from ablate.study.study import Study

_MATCH = "ablate.runners.matching:run"
_FORMULAS = "ablate.runners.formulas:run"


def matched(study: Study, executor: Executor, ledger: Ledger | None = None) -> Study:
    """The study with its layouts at their budgets, where it has any; what changed goes into the ledger.

    Raises `LayoutError` with every layout that cannot meet the budget, and the nearest sizes it can have.
    """
    if not study.matches:
        if ledger is not None:
            ledger.write(MatchFact())
        return study
    known = known_match(study, ledger) if ledger is not None else None
    if known is not None:
        return known
    fact = _solved(study, executor)
    if ledger is not None:
        ledger.write(fact)
    return _at_budgets(study, fact)


def known_match(study: Study, ledger: Ledger) -> Study | None:
    """The study with the layouts that an earlier run found for the same budgets; None where none did."""
    fact = ledger.read(MatchFact)
    return _at_budgets(study, fact) if fact is not None and fact.key == _match_key(study) else None


def _at_budgets(study: Study, fact: MatchFact) -> Study:
    layouts = {
        name: Layout.from_settings(LayoutSettings.model_validate(settings), name, check=False)
        for name, settings in fact.layouts.items()
    }
    return replace(study, layouts=study.layouts | layouts, match=None, budgets={})


def _match_key(study: Study) -> str:
    size = [study.input.channels, study.input.classes]
    keys = {name: layout_key(layout) for name, layout in study.layouts.items()}
    return digest([_match_condition(study), size, keys, code_hash(_MATCH), version("torch")])


def _match_condition(study: Study) -> Json:
    budgets = {name: match.model_dump(mode="json") for name, match in study.matches.items()}
    return {"budgets": budgets, "resolution": study.input.resolution}


def _solved(study: Study, executor: Executor) -> MatchFact:
    job = study_job(study, _MATCH, list(study.matches))
    job = replace(job, condition=_match_condition(study), where="counted")
    ((_, outcome),) = executor.run([job])
    if outcome.values is None:
        raise AblateError(f"the layouts could not be matched: {outcome.reason}")
    if outcome.values["problems"]:
        file = str(study.path or "")
        problems = (Problem(**problem) for problem in outcome.values["problems"])
        raise LayoutError(replace(problem, file=problem.file or file) for problem in problems)
    return MatchFact.from_json({**outcome.values, "key": _match_key(study)})


def keep_formulas(study: Study, ledger: Ledger, executor: Executor) -> None:
    """Put the formulas of all distinct blocks of a study into its ledger; those that stand there are kept."""
    sources = {
        part: source for layout in study.layouts.values() for part, source in block_sources(layout).items()
    }
    keys = {text: _formula_key(text, sources) for text in map(str, block_calls(study))}

    def job_of(text: str) -> Job:
        return replace(study_job(study, _FORMULAS, ()), condition={"block": text})

    def record_of(text: str, outcome: Outcome) -> FormulaRecord:
        unknown = {"block": text, "order": "unknown", "note": outcome.reason}
        return FormulaRecord.from_json(outcome.values or unknown)

    keep(FormulaFact, keys, job_of, record_of, ledger, executor)


def block_calls(study: Study) -> list[BlockCall]:
    """The distinct blocks of a study's layouts, in the order in which they first occur."""
    layouts = (layout for layout in study.layouts.values() if isinstance(layout, Layout))
    calls = dict.fromkeys(call for layout in layouts for stage in layout.stages for call in stage.blocks)
    return list(dict.fromkeys(BlockCall(call.name, call.args) for call in calls))


def _formula_key(text: str, sources: Mapping[str, str]) -> str:
    name = text.partition("(")[0]
    own = {part: source for part, source in sources.items() if part.split()[-1] == name}
    return digest([text, own, code_hash(_FORMULAS), version("torch")])


def study_job(study: Study, runner: str, names: Sequence[str]) -> Job:
    """A job about some of a study's layouts, without a cell yet."""
    return Job(
        kind="",
        runner=runner,
        layouts={name: study.layouts[name].to_yaml_dict() for name in names},
        condition={},
        channels=study.input.channels,
        classes=study.input.classes,
        extensions=tuple(str(Path(path).resolve()) for path in study.extensions),
    )
