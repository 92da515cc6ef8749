"""Commands about single layouts and blocks: cost, blocks."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ablate.cli.app import (
    AsJson,
    Channels,
    Classes,
    Depths,
    Ffn,
    FromStudy,
    HeadDim,
    Heads,
    LayoutText,
    MlpRatio,
    Norm,
    Resolution,
    Stem,
    Widths,
    app,
    read_layout,
)


@app.command()
def cost(
    layout: LayoutText,
    widths: Widths = None,
    depths: Depths = None,
    heads: Heads = None,
    head_dim: HeadDim = None,
    mlp_ratio: MlpRatio = None,
    stem: Stem = None,
    ffn: Ffn = None,
    norm: Norm = None,
    study: FromStudy = None,
    resolution: Resolution = 224,
    batch: Annotated[int, typer.Option(min=1, help="Images at once, for the memory.")] = 1,
    channels: Channels = 3,
    classes: Classes = 1000,
    audit: Annotated[
        bool, typer.Option("--audit", help="Compare with fvcore, ptflops and PyTorch's counter.")
    ] = False,
    training: Annotated[bool, typer.Option("--training", help="Audit a training step.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs and memory of one layout exactly, stage by stage.

    Example: `ablate cost "alternate(conv, key_only)" --widths 64,128,320,512 --depths 2,2,2,2`
    """
    from ablate.cli import terminal
    from ablate.cost import layout_cost

    described = read_layout(
        layout,
        study,
        widths=widths,
        depths=depths,
        heads=heads,
        head_dim=head_dim,
        mlp_ratio=mlp_ratio,
        stem=stem,
        ffn=ffn,
        norm=norm,
    )
    found = layout_cost(described, resolution, channels=channels, classes=classes, batch=batch).to_json()
    if audit:
        from ablate.cost.audit import audit as run_audit

        tables = [
            run_audit(
                lambda: described.build(classes, channels),
                resolution,
                channels=channels,
                mode=mode,
                training=training,
            )
            for mode in ("as-called", "repaired")
        ]
        found["audit"] = [table.to_json() for table in tables]
    if as_json:
        typer.echo(json.dumps(found))
        return
    terminal.print_warnings(described.warnings)
    terminal.print_cost(described.name, found)


@app.command()
def blocks(
    as_json: AsJson = False,
) -> None:
    """List every block with its arguments and its exact formulas in N (tokens) and C (channels).

    Example: `ablate blocks --json`
    """
    raise NotImplementedError
