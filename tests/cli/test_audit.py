"""`ablate cost LAYOUT --audit`: the tools, their errors and what is behind them, as text and as JSON."""

from __future__ import annotations

import json

from typer.testing import CliRunner

import ablate.cli.costs  # noqa: F401  (registers the command)
from ablate.cli.app import app

LAYOUT = [
    "cost",
    "softmax",
    "--widths",
    "16",
    "--depths",
    "1",
    "--resolution",
    "32",
    "--classes",
    "10",
    "--audit",
]
TOOLS = ("fvcore", "ptflops (pytorch)", "ptflops (aten)", "FlopCounterMode")


def test_the_audit_is_printed() -> None:
    result = CliRunner().invoke(app, LAYOUT, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    for words in (
        *TOOLS,
        "audit, as-called, forward",
        "audit, repaired, forward",
        "fvcore: leaves out scaled_dot",
    ):
        assert words in result.output
    assert "contradicts" not in result.output


def test_the_audit_as_json() -> None:
    result = CliRunner().invoke(app, [*LAYOUT, "--training", "--json"])
    assert result.exit_code == 0, result.output
    tables = json.loads(result.output)["audit"]
    assert [(table["training"], table["mode"]) for table in tables] == [
        (False, "as-called"),
        (False, "repaired"),
        (True, "as-called"),
        (True, "repaired"),
    ]
    assert all(table["agrees"] for table in tables)
    assert [row["tool"] for row in tables[1]["rows"]] == ["ablate", *TOOLS]
