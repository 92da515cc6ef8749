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
    from ablate.run.ledger import Ledger
    from ablate.run.prepare import Prepared
    from ablate.study.study import Study

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results (default: results/STUDY).")
]


@app.command()
def run(
    file: StudyFile,
    out: Out = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes (default: one a core).")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Limit of one cell, in seconds.")] = None,
    retry_failed: Annotated[bool, typer.Option(help="Run failed cells again.")] = False,
) -> None:
    """Measure what a study asks for and write tables, figures and report.html.

    Cells that the ledger already holds are not run again. Exits with 1 when cells have failed.

    Example: `ablate run layouts.yaml --out results/mine`
    """
    from ablate.cli.terminal import StudyProgress, print_warnings
    from ablate.run.execute import run_study

    prepared = _load(file)
    study = prepared.study
    print_warnings(study.warnings)
    out = _folder(study, out)
    with _ledger(out, create=True) as ledger:
        with _resumable(f"ablate run {file} --out {out}"), StudyProgress() as progress:
            summary = run_study(
                study,
                ledger,
                workers=workers,
                timeout=timeout,
                retry_failed=retry_failed,
                watch=progress.watch,
            )
        ledger.set_fact("matches", {"rows": prepared.matches})
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

    study = _load(file).study
    print_warnings(study.warnings)
    typer.echo(f"{file}: {len(study.layouts)} layouts, {len(plan(study))} cells")
    if study.search is not None:
        from ablate.search import SearchSpace

        typer.echo(f"search: {study.search.trials} trials in a space of {SearchSpace.of(study).size}")


def show_study(file: str, as_json: bool) -> None:
    """The layouts of a study as they are resolved, stage by stage: `ablate show FILE`."""
    from ablate.cli.terminal import print_layouts, print_warnings

    study = _load(file).study
    if as_json:
        typer.echo(json.dumps({name: layout.to_dict() for name, layout in study.layouts.items()}, indent=2))
        return
    print_warnings(study.warnings)
    print_layouts(study)


@app.command()
def status(file: StudyFile, out: Out = None, as_json: AsJson = False) -> None:
    """Count the study's cells: done, stale, failed, missing.

    Example: `ablate status layouts.yaml --out results/mine --json`
    """
    from ablate.cli.terminal import print_status
    from ablate.run.plan import plan

    study = _load(file).study
    cells = plan(study)
    folder = _folder(study, out)
    statuses = dict.fromkeys((cell.key for cell in cells), "missing")
    if (folder / "ledger.sqlite").is_file():
        with _ledger(folder, create=False) as ledger:
            statuses = ledger.statuses(cells)
    if as_json:
        counts = Counter(statuses.values())
        typer.echo(json.dumps({state: counts[state] for state in ("done", "failed", "stale", "missing")}))
    else:
        print_status(cells, statuses)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")],
) -> None:
    """Write tables, figures and report.html again from the ledger; a partly finished study will do.

    Example: `ablate report results/quickstart`
    """
    with _ledger(directory, create=False) as ledger:
        _write_report(ledger, directory)


@app.command()
def search(
    file: StudyFile,
    out: Out = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all, those of earlier calls among them.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes (default: one a core).")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Limit of one cell, in seconds.")] = None,
) -> None:
    """Search for the best layouts within hard bounds: the Pareto front as table, plot and best.yaml.

    A second call goes on where the first one stopped. Exits with 1 when no layout kept to the bounds.

    Example: `ablate search search --out results/search --trials 50`
    """
    from ablate.cli.terminal import StudyProgress, print_warnings
    from ablate.search import run_search

    prepared = _load(file)
    study = prepared.study
    print_warnings(study.warnings)
    out = _folder(study, out)
    with _resumable(f"ablate search {file} --out {out}"), StudyProgress() as progress:
        found = run_search(
            study,
            out,
            trials=trials,
            workers=workers,
            timeout=timeout,
            watch=lambda done, total: progress.watch("trials", done, total),
        )
    print_warnings(found.warnings)
    counts = found.trials["status"].value_counts()
    states = ", ".join(f"{counts.get(state, 0)} {state}" for state in ("done", "infeasible", "failed"))
    typer.echo(f"{len(found.trials)} trials: {states}; {len(found.front)} layouts on the front")
    if found.best_yaml is None:
        typer.echo("no layout kept to the bounds: loosen them, or widen the space", err=True)
        raise typer.Exit(1)
    typer.echo(f"best layouts: {found.best_yaml} (measure them with: ablate run {found.best_yaml})")
    with _ledger(out, create=False) as ledger:
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


def _load(file: str) -> Prepared:
    from ablate.run.prepare import prepare
    from ablate.study.load import load_study
    from ablate.study.shipped import find_study

    return prepare(load_study(find_study(file)))


def _folder(study: Study, out: Path | None) -> Path:
    return out if out is not None else Path("results") / study.name


def _ledger(folder: Path, *, create: bool) -> Ledger:
    from ablate.errors import AblateError
    from ablate.run.ledger import Ledger

    path = folder / "ledger.sqlite"
    if not create and not path.is_file():
        raise AblateError(
            f"{folder} has no ledger.sqlite: no results yet; make them with: ablate run FILE --out {folder}"
        )
    return Ledger(path)


def _write_report(ledger: Ledger, out: Path) -> None:
    import pandas as pd

    from ablate.report import write_report

    fact, searched = ledger.fact("study"), ledger.fact("search")
    trials = pd.DataFrame(searched["trials"]) if searched else None
    write_report(
        ledger.frame(),
        out,
        study=fact["name"],
        baseline=fact["baseline"],
        layouts=fact["layouts"],
        reference=fact["reference"],
        source=fact["source"],
        commands=[f"ablate {'search' if searched else 'run'} {fact['file']}"],
        front=trials[~trials["repeats"].astype(bool)] if trials is not None else None,
        objectives=searched.get("objectives", ()),
        warnings=fact["warnings"],
        matches=ledger.fact("matches").get("rows", ()),
        formulas=ledger.fact("formulas").get("rows", ()),
    )
    typer.echo(f"report: {out / 'report.html'}")
