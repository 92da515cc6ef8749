"""Commands about studies: run, check, show, status, report, search, schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import AsJson, Out, StudyFile, app
from ablate.cli.opening import at_budgets, exists, folder_of, load_file, load_matched, make, open_ledger
from ablate.cli.select import Layouts, Only, dry_run, selection

if TYPE_CHECKING:
    from ablate.run.ledger import Ledger
    from ablate.run.records import Cell
    from ablate.study.study import Study

Workers = Annotated[int | None, typer.Option(min=1, max=1024, help="Worker processes (default: one a core).")]
Timeout = Annotated[float | None, typer.Option(min=0.1, help="Limit of one cell, in seconds.")]
ExecutorName = Annotated[
    str,
    typer.Option("--executor", metavar="NAME", help="Where cells run: local, or another executor's name."),
]
SlurmOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="An option of the executor slurm, or a YAML file of them; repeatable.",
    ),
]


@app.command()
def run(
    file: StudyFile,
    out: Out = None,
    workers: Workers = None,
    timeout: Timeout = None,
    executor: ExecutorName = "local",
    slurm: SlurmOptions = None,
    only: Only = None,
    layouts: Layouts = None,
    retry_failed: Annotated[bool, typer.Option(help="Run failed cells again.")] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Run nothing: show every cell, its state and its expected time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what a study asks for and write tables, figures and report.html.

    Cells that the ledger already holds are not run again, and a report that shows them all is left as it is.
    Exits with 1 when cells have failed.

    Example: `ablate run layouts.yaml --out results/mine`
    """
    from ablate.cli.terminal import print_failures, print_warnings
    from ablate.cli.watch import StudyProgress
    from ablate.run.execute import run_study
    from ablate.run.history import failures
    from ablate.run.ledger import FILE, Ledger
    from ablate.run.lock import only_writer

    study = load_file(file)
    print_warnings(study.warnings)
    out = folder_of(study, out)
    _print_decisions(study, out)
    selected = selection(study, only, layouts)
    if dry:
        _dry_run(study, out, selected, workers, retry_failed, as_json)
        return
    with (
        only_writer(out),
        Ledger(out / FILE) as ledger,
        _resumable(f"ablate run {file} --out {out}"),
        StudyProgress() as progress,
        make(executor, workers, timeout, out, slurm) as where,
    ):
        summary = run_study(
            study,
            ledger,
            where,
            progress.watch,
            hear=progress.hear,
            retry_failed=retry_failed,
            selected=selected,
        )
        left = f", {summary.left} not selected" if summary.left else ""
        typer.echo(
            f"{summary.executed} cells executed, {summary.reused} reused, {summary.failed} failed{left}"
        )
        if summary.failed:
            print_failures(failures(ledger))
        _write_report(ledger, out, if_fresh=False)
    raise typer.Exit(1 if summary.failed else 0)


@app.command()
def check(file: StudyFile) -> None:
    """Check a study file and show the mistakes in it, each with line and column.

    Example: `ablate check layouts.yaml`
    """
    from ablate.cli.terminal import print_warnings
    from ablate.run.plan import plan

    study = load_matched(file)
    print_warnings(study.warnings)
    typer.echo(f"{file}: {len(study.layouts)} layouts, {len(plan(study))} cells")
    _print_decisions(study, folder_of(study, None))
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

    study = load_matched(file)
    if as_json:
        typer.echo(json.dumps({name: layout.to_dict() for name, layout in study.layouts.items()}, indent=2))
        return
    print_warnings(study.warnings)
    print_layouts(study)
    print_designs(study)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")],
) -> None:
    """Write tables, figures and report.html again from the ledger; a partly finished study will do.

    Example: `ablate report results/quickstart`
    """
    with open_ledger(directory) as ledger:
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
    slurm: SlurmOptions = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Optuna storage (default: a file beside the results).")
    ] = None,
) -> None:
    """Search for layouts with Optuna, within bounds checked by exact cost before anything is trained.

    A search that was stopped goes on where it was. Exits with 1 when no layout kept to the bounds.

    Example: `ablate search search --trials 50`
    """
    from ablate.cli.terminal import print_warnings
    from ablate.cli.watch import StudyProgress
    from ablate.search import run_search

    study = load_file(file)
    print_warnings(study.warnings)
    out = folder_of(study, out)
    with (
        _resumable(f"ablate search {file} --out {out}"),
        StudyProgress() as progress,
        make(executor, workers, timeout, out, slurm) as where,
    ):
        result = run_search(
            study,
            out,
            executor=where,
            trials=trials,
            watch=lambda done, total: progress.watch("trials", done, total),
            storage=storage,
        )
    print_warnings(result.warnings)
    counts = result.trials["status"].value_counts()
    kinds = ("done", "infeasible", "failed", "stopped")
    states = ", ".join(f"{counts.get(kind, 0)} {kind}" for kind in kinds)
    for text in result.remarks:
        typer.echo(text)
    typer.echo(f"{len(result.trials)} trials: {states}; {len(result.front)} layouts on the front")
    if result.best_yaml is None:
        typer.echo("no layout kept to the bounds: loosen them, or widen the space", err=True)
        raise typer.Exit(1)
    typer.echo(f"best layouts: {result.best_yaml} (measure them with: ablate run {result.best_yaml})")
    with open_ledger(out) as ledger:
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


def _dry_run(
    study: Study,
    out: Path,
    selected: Callable[[Cell], bool],
    workers: int | None,
    retry_failed: bool,
    as_json: bool,
) -> None:
    from ablate.run.executors.local import available_cores
    from ablate.run.ledger import FILE

    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(out)) if exists(out / FILE) else None
        executor = stack.enter_context(make("local", 1, None, None))
        dry_run(
            at_budgets(study, out),
            ledger,
            out,
            executor,
            selected,
            workers=workers or available_cores(),
            retry_failed=retry_failed,
            as_json=as_json,
        )


def _write_report(ledger: Ledger, out: Path, *, if_fresh: bool = True) -> None:
    """Write the report; one that shows the ledger as it is already only `if_fresh`."""
    from ablate.report.fresh import is_fresh, keep_fresh, made_from

    made = made_from(ledger)
    if if_fresh or not is_fresh(out, made):
        from ablate.report import write_report

        write_report(ledger, out)
        keep_fresh(out, made)
    typer.echo(f"report: {out / 'report.html'}")


def _print_decisions(study: Study, out: Path) -> None:
    from ablate.run.decide import decision_lines

    for line in decision_lines(study, out):
        typer.echo(line)
