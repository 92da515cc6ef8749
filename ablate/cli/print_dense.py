"""How the cost of dense models looks on a terminal, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from ablate.cli.terminal import errors, print_table, print_warnings
from ablate.report.numbers import scaled

if TYPE_CHECKING:
    from ablate.layout.network import Network


def dense_command(layout: Network, channels: int, as_json: bool) -> None:
    """Count a layout's backbone, neck and head under the three conventions and print them.

    Raises `AblateError` when the layout has no feature pyramid.
    """
    from ablate.dense.cost import dense_cost

    costs = dense_cost(layout, channels)
    if as_json:
        typer.echo(json.dumps({name: cost.to_json() for name, cost in costs.items()}))
        return
    print_warnings(layout.warnings)
    columns = ["", "MACs", "parameters", "inference peak", "saved activations", "training peak"]
    for cost in costs.values():
        pieces = {"backbone": cost.backbone, "neck": cost.neck, "head": cost.head}
        rows = [
            [name, *_printed(piece.macs, piece.params), "", "", ""]
            for name, piece in pieces.items()
            if piece.params
        ]
        bytes_of = [vars(cost.memory[kernel]) for kernel in ("fused", "math")]
        peaks = [
            " / ".join(scaled(kind[key], "B") for kind in bytes_of)
            for key in ("inference_peak", "saved_activations", "training_peak")
        ]
        rows.append(["whole", *_printed(cost.macs, cost.params), *peaks])
        print_table(f"{layout.name}: {cost.convention.label} (memory: fused / math attention)", columns, rows)
        if cost.uncounted:
            errors.print(f"uncounted operators: {', '.join(cost.uncounted)}", style="bold red", markup=False)


def _printed(macs: int, params: int) -> tuple[str, str]:
    """GMACs and millions of parameters with the digits that papers print."""
    return f"{macs / 1e9:.2f} G", f"{params / 1e6:.2f} M"
