"""Commands about single layouts and blocks: cost, blocks, contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import (
    AsJson,
    Batch,
    BlockFiles,
    Channels,
    Classes,
    LayoutText,
    Resolution,
    app,
    load_blocks,
    read_block,
    read_layout,
    with_layout_options,
)

if TYPE_CHECKING:
    from ablate.cost.audit import AuditTable


@app.command()
@with_layout_options
def cost(
    context: typer.Context,
    layout: LayoutText,
    resolution: Resolution = 224,
    batch: Batch = 1,
    channels: Channels = 3,
    classes: Classes = 1000,
    audit: Annotated[
        bool, typer.Option("--audit", help="Compare with fvcore, ptflops and PyTorch's counter.")
    ] = False,
    training: Annotated[bool, typer.Option("--training", help="Audit a training step too.")] = False,
    dense: Annotated[
        bool, typer.Option("--dense", help="As RetinaNet (1280x800), Semantic FPN and backbone (512x512).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs and memory of one layout exactly, stage by stage.

    Example: `ablate cost "alternate(conv, key_only)" --widths 64,128,320,512 --depths 2,2,2,2`
    """
    from itertools import product

    from ablate.cli.print_audit import print_audit
    from ablate.cli.print_costs import print_cost
    from ablate.cli.terminal import print_warnings, progress
    from ablate.cost import layout_cost

    described = read_layout(context, layout)
    if dense:
        from ablate.cli.print_dense import dense_command

        dense_command(described, channels, as_json)
        return
    found = layout_cost(described, resolution, channels=channels, classes=classes, batch=batch).to_json()
    tables: list[AuditTable] = []
    if audit:
        from ablate.cost.audit import MODES
        from ablate.cost.audit import audit as run_audit

        tables = [
            run_audit(
                lambda: described.build(classes, channels),
                resolution,
                channels=channels,
                mode=mode,
                training=step,
                name=described.name,
            )
            for step, mode in progress([*product((False, True)[: 1 + training], MODES)], "audit")
        ]
        found["audit"] = [table.to_json() for table in tables]
    if as_json:
        typer.echo(json.dumps(found))
        return
    print_warnings(described.warnings)
    print_cost(described.name, found)
    for table in tables:
        print_audit(table)


@app.command()
def blocks(
    full: Annotated[bool, typer.Option("--full", help="Every quantity, not two.")] = False,
    symbols: Annotated[
        bool, typer.Option("--symbols", help="Size arguments as symbols: w, k, r, e, and h for heads.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print the complexity table of a paper.")] = False,
    files: BlockFiles = None,
    as_json: AsJson = False,
) -> None:
    """List every block with its arguments and its exact formulas in N (tokens) and C (channels), per image.

    Of the token mixer alone, or of the whole block for mbconv and convnext.

    Example: `ablate blocks --json`
    """
    from ablate.cli.print_costs import block_record, print_blocks
    from ablate.cli.terminal import progress
    from ablate.cost.formula.find import UNITS
    from ablate.cost.formula.latex import complexity_table_latex
    from blocks import entries

    load_blocks(files)
    quantities = tuple(UNITS) if full else ("params", "macs")
    if latex:
        typer.echo(complexity_table_latex(quantities=quantities, symbols=symbols))
        return
    chosen = entries("mixer", "block")
    records = [block_record(entry, quantities, symbols) for entry in progress(chosen, "formulas")]
    if as_json:
        typer.echo(json.dumps(records))
    else:
        print_blocks(records)


@app.command()
def contract(
    block: Annotated[str, typer.Argument(metavar="BLOCK", help="A block such as 'window(size=5)'.")],
    dim: Annotated[int, typer.Option(min=1, max=65536, help="Width of the block that is tried.")] = 32,
    heads: Annotated[int, typer.Option(min=1, max=65536, help="Its heads, where it has any.")] = 4,
    files: BlockFiles = None,
    as_json: AsJson = False,
) -> None:
    """Test a block, shipped or your own, against the contract: a verdict per clause.

    Exits with 1 when a clause does not hold.

    Example: `ablate contract my_mixer --blocks my_mixer.py`
    """
    from dataclasses import asdict

    from ablate.cli.print_costs import print_verdicts
    from ablate.contract import check_contract

    load_blocks(files)
    verdicts = check_contract(read_block(block), dim=dim, heads=heads)
    if as_json:
        typer.echo(json.dumps([asdict(verdict) for verdict in verdicts]))
    else:
        print_verdicts(block, verdicts)
    raise typer.Exit(0 if all(verdict.ok for verdict in verdicts) else 1)
