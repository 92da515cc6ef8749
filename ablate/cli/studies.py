"""Commands about studies: run, check, show, status, report, search, schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import AsJson, StudyFile, app

if TYPE_CHECKING:
    from ablate.run.executors.base import Executor
    from ablate.run.ledger import Ledger
    from ablate.study.study import Study

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results (default: results/STUDY).")
]
Workers = Annotated[int | None, typer.Option(min=1, max=1024, help="Worker processes (default: one a core).")]
Timeout = Annotated[float | None, typer.Option(min=0.1, help="Limit of one cell, in seconds.")]
ExecutorName = Annotated[
    str,
    typer.Option("--executor", metavar="NAME", help="Where cells run: local, or another executor's name."),
]


@app.command()
def run(
    file: StudyFile,
    out: Out = None,
    workers: Workers = None,
    timeout: Timeout = None,
    executor: ExecutorName = "local",
    retry_failed: Annotated[bool, typer.Option(help="Run failed cells again.")] = False,
) -> None:
    """Measure what a study asks for and write tables, figures and report.html.

    Cells that the ledger already holds are not run again. Exits with 1 when cells have failed.

    Example: `ablate run layouts.yaml --out results/mine`
    """
    from ablate.cli.terminal import StudyProgress, print_warnings
    from ablate.run.execute import run_study
    from ablate.run.lock import only_writer

    study = _load(file)
    print_warnings(study.warnings)
    out = _folder(study, out)
    with only_writer(out), _ledger(out, write=True) as ledger:
        with (
            _resumable(f"ablate run {file} --out {out}"),
            StudyProgress() as progress,
            _executor(executor, workers, timeout, out) as where,
        ):
            summary = run_study(study, ledger, where, progress.watch, retry_failed=retry_failed)
        typer.echo(f"{summary.executed} cells executed, {summary.reused} reused, {summary.failed} failed")
        _write_report(ledger, out)
    raise typer.Exit(1 if summary.failed else 0)


@app.command()
def check(file: StudyFile) -> None:
    """Check a study file and show every mistake in it, each with line and column.

    Example: `ablate check layouts.yaml`
    """
    from ablate.cli.terminal import print_warnings
    from ablate.run.plan import plan

    study = _matched(file)
    print_warnings(study.warnings)
    typer.echo(f"{file}: {len(study.layouts)} layouts, {len(plan(study))} cells")
    if study.search is not None:
        from ablate.search import SearchSpace

        typer.echo(f"search: {study.search.trials} trials in a space of {SearchSpace.of(study).size}")
    from ablate.run.inspect import inspect_data

    for line in inspect_data(study):
        typer.echo(line)


def show_study(file: str, as_json: bool) -> None:
    """The layouts of a study as they are resolved, stage by stage: `ablate show FILE`."""
    from ablate.cli.print_design import print_designs
    from ablate.cli.terminal import print_layouts, print_warnings

    study = _matched(file)
    if as_json:
        typer.echo(json.dumps({name: layout.to_dict() for name, layout in study.layouts.items()}, indent=2))
        return
    print_warnings(study.warnings)
    print_layouts(study)
    print_designs(study)


@app.command()
def status(file: StudyFile, out: Out = None, as_json: AsJson = False) -> None:
    """Count the study's cells: done, stale, failed, missing.

    Example: `ablate status layouts.yaml --out results/mine --json`
    """
    from ablate.cli.terminal import print_status
    from ablate.run.ledger import FILE
    from ablate.run.plan import plan
    from ablate.run.records import State

    study = _matched(file)
    cells = plan(study)
    folder = _folder(study, out)
    states: dict[str, State] = dict.fromkeys((cell.key for cell in cells), "missing")
    if (folder / FILE).is_file():
        with _ledger(folder) as ledger:
            states = ledger.states(cells)
    if as_json:
        counts = Counter(states.values())
        typer.echo(json.dumps({state: counts[state] for state in ("done", "failed", "stale", "missing")}))
    else:
        print_status(cells, states)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")],
) -> None:
    """Write tables, figures and report.html again from the ledger; a partly finished study will do.

    Example: `ablate report results/quickstart`
    """
    with _ledger(directory) as ledger:
        _write_report(ledger, directory)


@app.command()
def search(
    file: StudyFile,
    out: Out = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all, those of earlier calls among them.")
    ] = None,
    workers: Workers = None,
    timeout: Timeout = None,
    executor: ExecutorName = "local",
) -> None:
    """Search for layouts with Optuna, within bounds checked by exact cost before anything is trained.

    A search that was stopped goes on where it was. Exits with 1 when no layout kept to the bounds.

    Example: `ablate search search --trials 50`
    """
    from ablate.cli.terminal import StudyProgress, print_warnings
    from ablate.search import run_search

    study = _load(file)
    print_warnings(study.warnings)
    out = _folder(study, out)
    with (
        _resumable(f"ablate search {file} --out {out}"),
        StudyProgress() as progress,
        _executor(executor, workers, timeout, out) as where,
    ):
        result = run_search(
            study,
            out,
            executor=where,
            trials=trials,
            watch=lambda done, total: progress.watch("trials", done, total),
        )
    print_warnings(result.warnings)
    counts = result.trials["status"].value_counts()
    states = ", ".join(f"{counts.get(state, 0)} {state}" for state in ("done", "infeasible", "failed"))
    typer.echo(f"{len(result.trials)} trials: {states}; {len(result.front)} layouts on the front")
    if result.best_yaml is None:
        typer.echo("no layout kept to the bounds: loosen them, or widen the space", err=True)
        raise typer.Exit(1)
    typer.echo(f"best layouts: {result.best_yaml} (measure them with: ablate run {result.best_yaml})")
    with _ledger(out) as ledger:
        _write_report(ledger, out)


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors.

    Example: `ablate schema > layouts.schema.json`
    """
    from ablate.study.schema import study_json_schema

    typer.echo(json.dumps(study_json_schema(), indent=2))


@contextmanager
def _resumable(command: str) -> Iterator[None]:
    """Ctrl-C ends the command with 130 and says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\nstopped; what is finished is kept. Go on with: {command}", err=True)
        raise typer.Exit(130) from None


def _load(file: str) -> Study:
    from ablate.study.load import load_study
    from ablate.study.shipped import find_study

    return load_study(find_study(file))


def _matched(file: str) -> Study:
    """The study with its layouts at the budget that it asks for."""
    from ablate.run.prepare import matched

    study = _load(file)
    if study.match is None:
        return study
    with _executor("local", 1, None, None) as executor:
        return matched(study, executor)


def _executor(name: str, workers: int | None, timeout: float | None, folder: Path | None) -> Executor:
    from ablate.run.executors.base import Setup, make_executor

    return make_executor(name, Setup(workers, timeout, folder))


def _folder(study: Study, out: Path | None) -> Path:
    return out if out is not None else Path("results") / study.name


def _ledger(folder: Path, *, write: bool = False) -> Ledger:
    from ablate.errors import AblateError
    from ablate.run.ledger import FILE, Ledger

    if not write and not (folder / FILE).is_file():
        raise AblateError(
            f"{folder} has no {FILE}: no results yet; make them with: ablate run FILE --out {folder}"
        )
    return Ledger(folder / FILE, read_only=not write)


def _write_report(ledger: Ledger, out: Path) -> None:
    from ablate.report import write_report

    write_report(ledger, out)
    typer.echo(f"report: {out / 'report.html'}")
