"""What of a study a command works on: `--only KIND`, `--layouts PATTERN`, `--dry-run`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ablate.run.executors.base import Executor
    from ablate.run.ledger import Ledger
    from ablate.run.records import Cell
    from ablate.study.study import Study

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="KIND", help="Only cells of this measurement; may be repeated."),
]
Layouts = Annotated[
    list[str] | None,
    typer.Option(
        "--layouts", metavar="PATTERN", help="Only layouts whose name fits, as 'graft*'; may be repeated."
    ),
]


def selection(
    study: Study, only: Sequence[str] | None, layouts: Sequence[str] | None
) -> Callable[[Cell], bool]:
    """Which cells are meant. Raises `AblateError` for a measurement or a pattern that nothing fits."""
    from ablate.errors import AblateError, did_you_mean
    from ablate.study.measure import settings_of

    kinds = list(settings_of(study.measure))
    for kind in only or ():
        if kind not in kinds:
            raise AblateError(f"the study has no measurement {kind!r}{did_you_mean(kind, kinds)}")
    names = set(study.layouts)
    for pattern in layouts or ():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise AblateError(f"no layout fits {pattern!r}{did_you_mean(pattern, sorted(names))}")
    chosen = {name for name in names if not layouts or any(fnmatchcase(name, pattern) for pattern in layouts)}

    def selected(cell: Cell) -> bool:
        return cell.layout in chosen and (not only or cell.kind in only)

    return selected


def dry_run(
    study: Study,
    ledger: Ledger | None,
    folder: Path,
    executor: Executor,
    selected: Callable[[Cell], bool],
    *,
    workers: int,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Print every selected cell with its state and the time that it will take, and the sum."""
    from ablate.cli.terminal import duration, print_table
    from ablate.run.estimate import estimator, together
    from ablate.run.plan import plan

    cells = [cell for cell in plan(study) if selected(cell)]
    states = ledger.states(cells) if ledger is not None else {cell.key: "missing" for cell in cells}
    settled = {"done"} if retry_failed else {"done", "failed"}
    todo = [cell for cell in cells if states[cell.key] not in settled]
    estimates = {}
    if todo:
        known = estimator(study, ledger, folder, executor)
        estimates = {cell.key: known.of(cell) for cell in todo}
    seconds = together(todo, [estimates[cell.key] for cell in todo], workers)
    if as_json:
        rows = [
            {
                "layout": cell.layout,
                "kind": cell.kind,
                "condition": cell.condition.model_dump(mode="json", exclude_none=True),
                "state": states[cell.key],
                "seconds": estimates[cell.key].seconds if cell.key in estimates else None,
            }
            for cell in cells
        ]
        typer.echo(json.dumps({"cells": rows, "to_run": len(todo), "seconds": seconds, "workers": workers}))
        return
    shown = [
        [
            cell.layout,
            cell.kind,
            _words(cell),
            states[cell.key],
            duration(estimates[cell.key].seconds) if cell.key in estimates else "",
            estimates[cell.key].source if cell.key in estimates else "",
        ]
        for cell in cells
    ]
    print_table(study.name, ["layout", "cell", "condition", "state", "time", "from"], shown, text_columns=4)
    typer.echo(f"{len(todo)} of {len(cells)} cells to run, about {duration(seconds)} with {workers} workers")


def _words(cell: Cell) -> str:
    names = ("resolution", "mode", "precision", "kernel", "tool", "dataset", "seed")
    settings = {name: getattr(cell.condition, name, None) for name in names}
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
