"""Commands about results that are there: prune, merge, compare."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import AsJson, app
from ablate.cli.opening import exists, open_ledger

if TYPE_CHECKING:
    from ablate.run.compare import Difference

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")]


@app.command()
def prune(
    directory: Folder, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Remove the rows that no cell of the study uses: stale ones, and those of layouts that are gone.

    Example: `ablate prune results/quickstart --yes`
    """
    from ablate.run.history import prune as prune_rows
    from ablate.run.history import unused_rows
    from ablate.run.lock import only_writer

    with open_ledger(directory) as ledger:
        unused = unused_rows(ledger)
    if not unused:
        typer.echo("every row is used")
        return
    for (layout, kind), count in sorted(unused.items()):
        typer.echo(f"{kind} of {layout}: {count} rows")
    if not yes and not typer.confirm(f"remove these {unused.total()} rows from {directory}?", err=True):
        typer.echo("nothing was removed")
        return
    with only_writer(directory), open_ledger(directory, write=True) as ledger:
        typer.echo(f"{prune_rows(ledger)} rows removed")


@app.command()
def merge(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders of one study's results, from several machines."),
    ],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Folder of the merged results.")],
) -> None:
    """Join the results of several machines in a new folder, and write their report.

    Rows keep their device. Where several machines have measured the same cell, the report shows the first
    one's; `ablate compare` sets them side by side.

    Example: `ablate merge results/a results/b --into results/both`
    """
    from ablate.errors import AblateError
    from ablate.report import write_report
    from ablate.run.ledger import FILE, Ledger
    from ablate.run.lock import only_writer
    from ablate.run.merge import merge as merge_ledgers

    if exists(into / FILE):
        raise AblateError(f"{into} has results already; give a new folder with --into")
    with ExitStack() as stack:
        sources = [stack.enter_context(open_ledger(folder)) for folder in directories]
        stack.enter_context(only_writer(into))
        target = into / FILE
        try:
            with Ledger(target) as ledger:
                merged = merge_ledgers(sources, ledger)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        typer.echo(f"{merged.rows} rows, {merged.cells} cells")
        if merged.several:
            typer.echo(
                f"{merged.several} cells were measured apart in several folders: the report shows those of "
                "the first; set them side by side with: ablate compare A B"
            )
        with Ledger(target, read_only=True) as ledger:
            write_report(ledger, into)
        typer.echo(f"report: {into / 'report.html'}")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="Folder of results: before, or one machine.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Folder of results: after, or another machine.")],
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="'QUANTITY +5%'",
            help="Exit with 1 when it has certainly changed by more; repeatable.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same or not resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what differs between two results of one study, with 95 % intervals; or hold changes to bounds.

    A change exceeds its bound when it is larger and certain: exact, or with an interval that leaves out no
    change. A cell that A has and B failed to measure exceeds every bound.

    Example: `ablate compare results/before results/after --fail-if "latency +5%"`
    """
    from ablate.cli.terminal import errors, print_table
    from ablate.errors import AblateError
    from ablate.run.compare import differences, parse_bound

    bounds = [parse_bound(text) for text in fail_if or ()]
    with open_ledger(before) as a, open_ledger(after) as b:
        compared, lost = differences(a, b, [bound.quantity for bound in bounds])
    for bound in bounds:
        if not any(difference.quantity.name == bound.quantity for difference in compared) and not lost:
            raise AblateError(f"{before} and {after} have no cell in common with a {bound.quantity}")
    if not compared and not lost:
        raise AblateError(f"{before} and {after} have no finished cell in common")
    offending = [d for d in compared if any(bound.exceeded(d) for bound in bounds)]
    failed = bool(bounds) and bool(offending or lost)
    if as_json:
        record = {"differences": [_record(d) for d in compared], "lost": [vars(cell) for cell in lost]}
        typer.echo(json.dumps(record | {"exceeded": [_record(d) for d in offending]}))
        raise typer.Exit(1 if failed else 0)
    shown = compared if everything else [d for d in compared if d.verdict not in ("same", "not resolved")]
    columns = ["layout", "quantity", "condition", "A", "B", "change", "95 % interval", ""]
    if shown:
        print_table("", columns, [_row(d) for d in shown], text_columns=3)
    counts = {word: sum(d.verdict == word for d in compared) for word in ("same", "not resolved")}
    different = len(compared) - sum(counts.values())
    typer.echo(
        f"{len(compared)} numbers compared: {different} differ, {counts['same']} are the same, "
        f"{counts['not resolved']} are not resolved"
    )
    for pair in sorted({d.devices for d in compared if d.measured and d.devices[0] != d.devices[1]}):
        errors.print(
            f"measured on different devices: {pair[0]} (A), {pair[1]} (B)", style="yellow", markup=False
        )
    for cell in lost:
        reason = f": {cell.reason}" if cell.reason else ""
        typer.echo(f"only in A: {cell.kind} of {cell.layout} ({cell.condition}): {cell.status}{reason}")
    for difference in offending:
        typer.echo(
            f"exceeds the bound: {difference.quantity.name} of {difference.layout}: {_change(difference)}"
        )
    raise typer.Exit(1 if failed else 0)


def _row(difference: Difference) -> list[object]:
    from ablate.report.numbers import significant

    digits = max(4, difference.quantity.digits)
    unit = f" {difference.quantity.unit}" if difference.quantity.unit else ""
    a, b = (significant(value, digits) + unit for value in (difference.before, difference.after))
    return [
        difference.layout, difference.quantity.label, difference.condition, a, b, _change(difference),
        _interval(difference), difference.verdict,
    ]  # fmt: skip


def _change(difference: Difference) -> str:
    return _percent(difference, difference.change)


def _interval(difference: Difference) -> str:
    if not difference.measured:
        return "exact"
    if math.isnan(difference.low):
        return "none"
    return f"{_percent(difference, difference.low)} to {_percent(difference, difference.high)}"


def _percent(difference: Difference, value: float) -> str:
    from ablate.report.numbers import signed

    if difference.quantity.unit == "%":
        return f"{signed(value)} points"
    return f"{signed(100 * value)} %"


def _record(difference: Difference) -> dict[str, Any]:
    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "layout": difference.layout,
        "kind": difference.kind,
        "condition": difference.condition,
        "quantity": difference.quantity.name,
        "unit": difference.quantity.unit,
        "before": difference.before,
        "after": difference.after,
        "change": plain(difference.change),
        "low": plain(difference.low),
        "high": plain(difference.high),
        "verdict": difference.verdict,
        "devices": list(difference.devices),
    }
