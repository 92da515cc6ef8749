"""Commands that change or compare layouts: match, diff."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from ablate.cli.app import AsJson, Batch, LayoutText, app, read_layout, with_layout_options
from ablate.cli.sizes import InputChannels, InputClasses, InputResolution, read_sizes


@app.command()
@with_layout_options
def match(
    context: typer.Context,
    layout: LayoutText,
    params: Annotated[str | None, typer.Option(help="Parameters to reach: 13.1M.")] = None,
    macs: Annotated[str | None, typer.Option(help="MACs to reach at the resolution: 0.6G.")] = None,
    memory: Annotated[str | None, typer.Option(help="Weights and inference peak: 64MiB.")] = None,
    tolerance: Annotated[str, typer.Option(help="Accepted relative error.")] = "1%",
    by: Annotated[
        Literal["width", "depth", "expansion"], typer.Option(help="The dimension that is changed.")
    ] = "width",
    resolution: InputResolution = None,
    batch: Batch = 1,
    channels: InputChannels = None,
    classes: InputClasses = None,
    as_json: AsJson = False,
) -> None:
    """Bring a layout to a budget of parameters, MACs or memory by changing one of its dimensions.

    Exits with 2 when the budget cannot be met, and names the nearest sizes below and above.

    Example: `ablate match "alternate(conv, key_only)" --params 13.1M --by width`
    """
    from ablate.cli.print_comparison import print_match
    from ablate.cost.match.solve import match_layout
    from ablate.layout.sizes import parse_quantity

    described = read_layout(context, layout)
    try:
        result = match_layout(
            described,
            params=None if params is None else parse_quantity(params),
            macs=None if macs is None else parse_quantity(macs),
            memory=None if memory is None else parse_quantity(memory, memory=True),
            tolerance=parse_quantity(tolerance),
            by=by,
            batch=batch,
            **read_sizes(context),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        print_match(result)


@app.command()
@with_layout_options
def diff(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="A layout, or with --study a layout's name.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The layout it is compared to.")],
    resolution: InputResolution = None,
    batch: Batch = 1,
    channels: InputChannels = None,
    classes: InputClasses = None,
    as_json: AsJson = False,
) -> None:
    """Show which blocks differ between two layouts, and how the change in cost splits over them.

    Options that describe a layout hold for both. Time is roofline time on this machine.

    Example: `ablate diff "alternate(conv, softmax)" "alternate(conv, key_only)" --resolution 512`
    """
    from ablate.cli.print_comparison import print_diff
    from ablate.cost.compare.diff import diff as compare

    a, b = (read_layout(context, text) for text in (first, second))
    compared = compare(a, b, batch=batch, **read_sizes(context))
    if as_json:
        typer.echo(json.dumps(compared.to_json()))
    else:
        print_diff(compared)
