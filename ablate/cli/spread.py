"""Commands about what a study's accuracies can be trusted for: variance, rank."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import AsJson, StudyFile, app

_Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results (default: results/STUDY).")
]
_Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Worker processes (default: one a core).")
]

_Short = Annotated[
    float | None, typer.Option(min=0.001, help="Epochs of the short one (default: the study's).")
]


@app.command()
def variance(
    file: StudyFile,
    layout: Annotated[str | None, typer.Option(help="The layout (default: the study's baseline).")] = None,
    runs: Annotated[int, typer.Option(min=2, max=100, help="Runs for everything and for each source.")] = 5,
    groups: Annotated[int, typer.Option(min=1, max=20, help="Groups of runs for each source.")] = 1,
    out: _Out = None,
    workers: _Workers = None,
    as_json: AsJson = False,
) -> None:
    """Split the spread of an accuracy into initial weights, data order and augmentation.

    All seeds but one are held fixed. Runs are kept in the results' folder `variance` and made only once.

    Example: `ablate variance ablation --layout hybrid --runs 8`
    """
    from ablate.cli.terminal import print_table
    from ablate.cli.watch import StudyProgress
    from ablate.run.executors.base import Setup, make_executor
    from ablate.run.spread import variance_of
    from ablate.study.load import load_study
    from ablate.study.shipped import find_study

    study = load_study(find_study(file))
    name = layout or study.baseline
    folder = (out or Path("results") / study.name) / "variance"
    with StudyProgress() as progress, make_executor("local", Setup(workers, None, folder)) as executor:
        components = variance_of(study, name, folder, executor, progress.watch, runs=runs, groups=groups)
    if as_json:
        typer.echo(json.dumps([component.to_json() for component in components], indent=2))
        return
    rows = [
        [component.name, component.runs, *map(_number, (component.sd, component.low, component.high)),
         *map(_percent, (component.share, component.share_low, component.share_high))]
        for component in components
    ]  # fmt: skip
    head = ["varies", "runs", "sd (points)", "low", "high", "share of variance", "low", "high"]
    print_table(f"Top-1 of {name}", head, rows)


@app.command()
def rank(
    file: StudyFile,
    long: Annotated[float, typer.Option(min=0.001, help="Epochs of the long schedule.")],
    short: Annotated[
        float | None, typer.Option(min=0.001, help="Epochs of the short one (default: the study's).")
    ] = None,
    out: _Out = None,
    workers: _Workers = None,
    as_json: AsJson = False,
) -> None:
    """Compare how two budgets rank a study's layouts: what a short-schedule ablation can be trusted for.

    Example: `ablate rank alternate-vs-graft --long 5`
    """
    from ablate.cli.watch import StudyProgress
    from ablate.run.executors.base import Setup, make_executor
    from ablate.run.spread import rank_of
    from ablate.study.load import load_study
    from ablate.study.shipped import find_study

    study = load_study(find_study(file))
    folder = out or Path("results") / study.name
    accuracy = getattr(study.measure, "accuracy", None)
    budgets = (short or getattr(accuracy, "epochs", None) or math.nan, long)
    with StudyProgress() as progress, make_executor("local", Setup(workers, None, folder)) as executor:
        ranking = rank_of(study, budgets, folder, executor, progress.watch)
    if as_json:
        typer.echo(json.dumps(ranking.to_json(), indent=2))
        return
    typer.echo(f"{budgets[0]:g} against {budgets[1]:g} epochs, {len(ranking.layouts)} layouts")
    for label, value in (("Spearman", ranking.spearman), ("Kendall", ranking.kendall)):
        typer.echo(f"{label}: {_number(value.value)} [{_number(value.low)}, {_number(value.high)}]")
    typer.echo(f"{ranking.agreeing} of {ranking.pairs} pairs are ordered alike")
    typer.echo(
        f"{ranking.sure} pairs are resolved by the long schedule: the short one orders "
        f"{ranking.sure_agreeing} of them alike, and resolves the reverse of {ranking.sure_reversed}"
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"
