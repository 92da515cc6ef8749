"""Commands about what timm publishes: audit timm, choose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import AsJson, Resolution, app, read_layout, with_layout_options

audit_app = typer.Typer(help="Check what others publish, figure by figure.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@audit_app.callback()
def _audit() -> None:
    """Check what others publish, figure by figure."""


@audit_app.command("timm")
def audit_timm(
    only: Annotated[str | None, typer.Option(metavar="PATTERN", help="Models by name: 'resnet*'.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that count, of one thread each.")] = 2,
    out: Annotated[Path, typer.Option(help="Where the counts are kept, and the page is written.")] = Path(
        "results/published"
    ),
    counts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write MACs and parameters alone, for `choose`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count every model and size whose cost timm publishes, and find the cause of each difference.

    Counts are kept pair by pair for the installed version of timm: a run that was stopped goes on. With
    --only, the page and its table are left as they are.

    Example: `ablate audit timm --only 'convnext*' --workers 2`
    """
    import shlex
    import sys

    from ablate.cli.print_published import print_rows, row_json
    from ablate.cli.watch import StudyProgress
    from ablate.published.audit import STORE, audit_record, chosen, write_counts, write_csv
    from ablate.published.page import page
    from ablate.published.recount import Store

    pairs = chosen(only)
    with StudyProgress() as bars:
        rows = audit_record(pairs, Store(out / STORE), workers, bars.watch)
    if only is None:
        write_csv(rows, out / "timm.csv")
        command = shlex.join(["ablate", *sys.argv[1:]])
        (out / "README.md").write_text(page(rows, command), encoding="utf-8")
    if counts is not None:
        write_counts(rows, counts)
    if as_json:
        typer.echo(json.dumps([row_json(row) for row in rows]))
    else:
        print_rows(rows)


@app.command()
@with_layout_options
def choose(
    context: typer.Context,
    macs: Annotated[str | None, typer.Option(help="At most so many MACs: 1G.")] = None,
    params: Annotated[str | None, typer.Option(help="At most so many parameters: 10M.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Weights and inference peak of one image: 64MiB.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Published speed on it: rtx-4090.")] = None,
    show: Annotated[int, typer.Option(min=1, help="How many models to show.")] = 10,
    layout: Annotated[str | None, typer.Option(help="Where this layout lies among them in cost.")] = None,
    resolution: Resolution = 224,
    as_json: AsJson = False,
) -> None:
    """List the published models that keep to a budget, the most accurate first, and the front among them.

    MACs and parameters are counted here, memory is predicted, speed and accuracy are timm's published
    figures. A layout is compared in cost alone, at --resolution.

    Example: `ablate choose --macs 1G --params 10M --memory 64MiB --device rtx-4090 --show 10`
    """
    from ablate.cli.print_published import choice_json, print_choice
    from ablate.cost.layouts import layout_cost
    from ablate.published.choose import Budget, place
    from ablate.published.choose import choose as choose_models

    budget = Budget(
        macs=_limit(macs, "--macs"), params=_limit(params, "--params"), memory=_limit(memory, "--memory")
    )
    described = None if layout is None else read_layout(context, layout)
    choice = choose_models(budget, device, show)
    cost = None if described is None else layout_cost(described, resolution)
    lies = None if cost is None else place(cost.macs, budget, device)
    if as_json:
        typer.echo(json.dumps(choice_json(choice, device, cost, lies)))
    else:
        print_choice(choice, device, cost, lies, budget)


def _limit(text: str | None, option: str) -> float | None:
    from ablate.errors import AblateError
    from ablate.layout.sizes import parse_quantity

    if text is None:
        return None
    try:
        value = parse_quantity(text, memory=option == "--memory")
    except ValueError as error:
        raise AblateError(f"{option}: {error}") from None
    if value <= 0:
        raise AblateError(f"{option}: a budget is larger than nothing, not {text}")
    return value
