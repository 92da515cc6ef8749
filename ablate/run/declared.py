"""What a study declares before it measures: its ablations, its classes, its predictions with their time."""

from __future__ import annotations

from datetime import UTC, datetime

from ablate.measurements.register import quantity
from ablate.run.facts import (
    AblationFact,
    ClaimsFact,
    ClassesFact,
    DesignRecord,
    DesignRow,
    ExpectationFact,
    LadderFact,
    LadderRecord,
    Predicted,
    Rung,
)
from ablate.run.inspect import known_summary
from ablate.run.ledger import Ledger
from ablate.study.expectation import Expectation
from ablate.study.study import Study


def declare(study: Study, ledger: Ledger) -> None:
    """Keep a study's ablations, ladders and predictions in its ledger; to be called before cells are run."""
    ablations = tuple(
        DesignRecord(
            ablation.base,
            ablation.design,
            ablation.changes,
            tuple(DesignRow(row.made, row.stage) for row in ablation.rows),
            ablation.aliases,
            ablation.name,
        )
        for ablation in study.ablations
    )
    known = ledger.read(AblationFact)
    if ablations or known is not None:
        ledger.write(AblationFact(ablations))
    if study.claims or ledger.read(ClaimsFact) is not None:
        ledger.write(ClaimsFact(study.claims))
    rungs = tuple(
        LadderRecord(ladder.base, tuple(Rung(size, name) for size, name in ladder.rungs))
        for ladder in study.ladders
    )
    if rungs or ledger.read(LadderFact) is not None:
        ledger.write(LadderFact(rungs))
    classes = _classes(study)
    if classes:
        ledger.write(ClassesFact(classes))
    keep_predictions(study, ledger, datetime.now(UTC).isoformat(timespec="seconds"))


def _classes(study: Study) -> tuple[str, ...]:
    """The names of the classes that accuracy is measured on; none where the images are not here yet."""
    accuracy = getattr(study.measure, "accuracy", None)
    if accuracy is None:
        return ()
    known = known_summary(accuracy.dataset, accuracy.data_dir)
    return () if known is None else known.class_names


def keep_predictions(study: Study, ledger: Ledger, now: str) -> None:
    """Keep the lines of `expect` with the time at which each was first seen.

    A line keeps its time for as long as it says the same. One that is new when a value that it speaks of is
    in the ledger already, of whatever version of the layout, is marked: it is no prediction. One that is
    gone stays, as withdrawn; brought back later, it counts as new.
    """
    before = ledger.read(ExpectationFact) or ExpectationFact()
    given = {str(line): line for line in study.expectations}
    kept: dict[str, Predicted] = {}
    gone: list[Predicted] = []
    for old in before.lines:
        if old.withdrawn:
            gone.append(old)
        elif old.line in given:
            kept[old.line] = old
        else:
            gone.append(Predicted(old.line, old.written, old.after, withdrawn=now))
    lines = [
        kept.get(text) or Predicted(text, now, after=_seen(line, ledger)) for text, line in given.items()
    ]
    if lines or before.lines:
        ledger.write(ExpectationFact((*lines, *gone)))


def _seen(line: Expectation, ledger: Ledger) -> bool:
    return any(ledger.measured(term.layout, quantity(term.quantity).kind) for term in line.terms)
