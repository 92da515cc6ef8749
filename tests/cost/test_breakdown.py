"""Who costs what: the rows add up to the whole, whatever they are made of."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ablate import Layout
from ablate.cli import costs  # noqa: F401 - its commands register themselves
from ablate.cli.app import app
from ablate.cost import layout_cost
from ablate.cost.breakdown import breakdown, quantities_of
from ablate.errors import AblateError

LAYOUT = Layout("alternate(conv, softmax)", widths=(16, 32), depths=(2, 2), head_dim=16)
SIZES = {"resolution": (32, 48), "classes": 10, "batch": 2}


@pytest.mark.parametrize("by", ["stage", "module", "operator"])
def test_rows_add_up_to_the_layouts_cost(by: str) -> None:
    rows = breakdown(LAYOUT, by, **SIZES)
    cost = layout_cost(LAYOUT, **SIZES)
    for quantity in quantities_of(by):
        assert sum(row.amounts[quantity] for row in rows) == getattr(cost, quantity)
        assert sum(row.shares[quantity] for row in rows) == pytest.approx(1)


def test_modules_are_told_apart_to_a_depth() -> None:
    names = [{row.name for row in breakdown(LAYOUT, "module", depth=depth, **SIZES)} for depth in (1, 3)]
    assert len(names[0]) < len(names[1])
    assert all("." not in name for name in names[0])


def test_a_training_step_by_operator() -> None:
    rows = {row.name: row.amounts for row in breakdown(LAYOUT, "operator", training=True, **SIZES)}
    assert sum(row["macs"] for row in rows.values()) == layout_cost(LAYOUT, **SIZES).training_macs
    assert rows["aten.convolution_backward"]["macs"] > 0


def test_orders() -> None:
    for sort in ("macs", "bytes"):
        amounts = [row.amounts[sort] for row in breakdown(LAYOUT, "operator", sort, **SIZES)]
        assert amounts == sorted(amounts, reverse=True)
    names = [row.name for row in breakdown(LAYOUT, "stage", "name", **SIZES)]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("by", "sort", "training", "message"),
    [
        ("oprator", None, False, "did you mean 'operator'"),
        ("stage", "mac", False, "did you mean 'macs'"),
        ("operator", "params", False, "cannot sort by 'params'"),
        ("module", None, True, "by operator alone"),
    ],
)
def test_mistakes(by: str, sort: str | None, training: bool, message: str) -> None:
    with pytest.raises(AblateError, match=message):
        breakdown(LAYOUT, by, sort, training=training, **SIZES)


def test_on_the_command_line() -> None:
    run = CliRunner().invoke(
        app, ["cost", "timm:resnet18", "--by", "module", "--sort", "params", "--resolution", "64", "--json"]
    )
    assert run.exit_code == 0, run.output
    rows = json.loads(run.stdout)
    assert rows[0]["name"] == "layer4.1"
    assert sum(row["params"] for row in rows) == 11_689_512
    table = CliRunner().invoke(
        app, ["cost", "softmax", "--widths", "16", "--depths", "1", "--by", "operator"]
    )
    assert table.exit_code == 0, table.output
    assert "convolution" in table.output
