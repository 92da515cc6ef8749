"""Commands about single layouts and blocks: cost, blocks, contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import (
    AsJson,
    Batch,
    BlockFiles,
    LayoutText,
    app,
    load_blocks,
    read_block,
    read_layout,
    with_layout_options,
)
from ablate.cli.sizes import InputChannels, InputClasses, InputResolution, read_sizes

if TYPE_CHECKING:
    from ablate.cost.audit import AuditTable
    from ablate.layout.network import Network


@app.command()
@with_layout_options
def cost(
    context: typer.Context,
    layout: LayoutText,
    resolution: InputResolution = None,
    batch: Batch = 1,
    channels: InputChannels = None,
    classes: InputClasses = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Compare with fvcore, ptflops and PyTorch's counter.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Audit a training step too; with --by operator, count one.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", help="Who costs what, with shares: operator, module or stage.")
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="Order of --by: macs, params, elementwise, bytes, name, ...")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Levels of modules that --by module tells apart.")] = 2,
    dense: Annotated[
        bool, typer.Option("--dense", help="As RetinaNet (1280x800), Semantic FPN and backbone (512x512).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs and memory of one layout exactly, stage by stage.

    Example: `ablate cost "alternate(conv, key_only)" --widths 64,128,320,512 --depths 2,2,2,2`
    """
    sizes = read_sizes(context)
    if by is not None or sort is not None:
        described = read_layout(context, layout)
        _break_down(
            described, by or "stage", sort, as_json, depth=depth, training=training, batch=batch, **sizes
        )
        return
    from itertools import product

    from ablate.cli.print_audit import print_audit
    from ablate.cli.print_costs import print_cost
    from ablate.cli.terminal import print_warnings, progress
    from ablate.cost import layout_cost
    from ablate.runners.complexity import ran_on

    described = read_layout(context, layout)
    if dense:
        from ablate.cli.print_dense import dense_command

        dense_command(described, sizes["channels"], as_json)
        return
    counted = layout_cost(described, batch=batch, **sizes)
    record = counted.to_json() | {"ran_on": ran_on(counted)}
    tables: list[AuditTable] = []
    if audit:
        from ablate.cost.audit import MODES
        from ablate.cost.audit import audit as run_audit

        tables = [
            run_audit(
                lambda: described.build(sizes["classes"], sizes["channels"], resolution=sizes["resolution"]),
                sizes["resolution"],
                channels=sizes["channels"],
                mode=mode,
                training=step,
                name=described.name,
            )
            for step, mode in progress([*product((False, True)[: 1 + training], MODES)], "audit")
        ]
        record["audit"] = [table.to_json() for table in tables]
    if as_json:
        typer.echo(json.dumps(record))
        return
    print_warnings(described.warnings)
    print_cost(described.name, record)
    for table in tables:
        print_audit(table)


def _break_down(
    layout: Network, by: str, sort: str | None, as_json: bool, *, depth: int, training: bool, **sizes: Any
) -> None:
    from ablate.cli.print_costs import print_breakdown
    from ablate.cost.breakdown import breakdown, quantities_of

    rows = breakdown(layout, by, sort, depth=depth, training=training, **sizes)
    if as_json:
        typer.echo(json.dumps([row.to_json() for row in rows]))
    else:
        step = "a training step" if training else "a forward pass"
        print_breakdown(f"{layout.name}: {step} by {by}", rows, quantities_of(by))


@app.command()
def blocks(
    full: Annotated[bool, typer.Option("--full", help="Every quantity, not two.")] = False,
    symbols: Annotated[
        bool, typer.Option("--symbols", help="Size arguments as symbols: w, k, r, e, and h for heads.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print the complexity table of a paper.")] = False,
    kind: Annotated[
        str | None, typer.Option("--kind", help="List the parts of a kind instead: stem, ffn, norm, ...")
    ] = None,
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
    from ablate.errors import AblateError
    from blocks import entries

    load_blocks(files)
    if kind is not None:
        from ablate.cli.print_parts import list_parts

        if latex or symbols or full:
            raise AblateError("--full, --symbols and --latex go with formulas, which --kind does not print")
        list_parts(kind, as_json)
        return
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
