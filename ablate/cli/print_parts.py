"""How the parts of one kind look on a terminal: names, arguments with types and defaults, what each is."""

from __future__ import annotations

import json
from typing import Any

import typer

from ablate.cli.terminal import print_table


def list_parts(kind: str, as_json: bool) -> None:
    """Print the registered parts of a kind. Raises `AblateError` for a kind that does not exist."""
    from ablate.errors import AblateError, did_you_mean
    from blocks import entries
    from blocks.registry import KINDS

    if kind not in KINDS:
        raise AblateError(f"unknown kind {kind!r}{did_you_mean(kind, KINDS)}")
    parts: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "kind": entry.kind,
            "summary": entry.summary,
            "arguments": [
                {"name": a.name, "type": a.type_name, "default": a.default} for a in entry.arguments.values()
            ],
        }
        for entry in entries(kind)
    ]
    if as_json:
        typer.echo(json.dumps(parts))
        return
    rows = [
        [
            part["name"],
            ", ".join(f"{a['name']}: {a['type']} = {a['default']}" for a in part["arguments"]),
            part["summary"],
        ]
        for part in parts
    ]
    print_table(f"parts: {kind}", [kind, "arguments", "what it is"], rows, text_columns=3)
