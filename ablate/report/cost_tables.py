"""Tables of counted costs: by resolution, and by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.report.main_table import measured
from ablate.report.metrics import Metric, metric, of_kind
from ablate.report.notes import uncounted_notes
from ablate.report.numbers import fixed, significant
from ablate.report.results import Results, select
from ablate.report.table import Cell, Column, Table, number, pixels


def scaling_table(results: Results) -> Table | None:
    """Counted costs of every layout at every resolution."""
    names = (
        "macs",
        "flops",
        "training_macs",
        "elementwise",
        "fused.inference",
        "fused.training",
        "math.training",
    )
    metrics = [_complexity(name) for name in names]
    group = "Peak memory, batch 1 (MiB)"
    heads = [
        *(Column(each.title) for each in metrics[:4]),
        *(Column(head, group) for head in ("inference, fused", "training, fused", "training, math")),
    ]
    return _counted_table(results, "scaling", "Counted costs by resolution", metrics, heads)


def _complexity(name: str) -> Metric:
    kernel, _, mode = name.partition(".")
    return metric("complexity", f"{mode}_peak_{kernel}" if mode else name)


def _counted_table(
    results: Results, name: str, title: str, metrics: Sequence[Metric], heads: Sequence[Column]
) -> Table | None:
    planned = results.planned("complexity")
    if planned.empty:
        return None
    rows, raw = [], []
    for layout in results.layouts:
        for resolution in results.resolutions("complexity"):
            row = select(planned, layout=layout, resolution=resolution)
            cells = [measured(row, each.column, each.scale, each.digits) for each in metrics]
            rows.append((Cell(layout, sort=layout), pixels(resolution), *cells))
    for record in planned.to_dict("records"):
        kept: dict[str, Any] = {"layout": record["layout"], "resolution_px": record["resolution"]}
        kept |= {each.column: record[each.column] for each in of_kind("complexity")}
        raw.append(kept | {"uncounted": " ".join(map(str, record["values"].get("uncounted") or ()))})
    return Table(
        name,
        title,
        "Exact counts of one forward pass of one image, and of one training step where it is said.",
        (Column("Layout", left=True), Column("px"), *heads),
        tuple(rows),
        pd.DataFrame(raw),
        tuple(uncounted_notes(results)),
    )


STAGE_COLUMNS: Mapping[str, tuple[str, str, float, int]] = {
    "params": ("params", "Parameters (M)", 1e6, 3),
    "macs": ("macs", "MACs (G)", 1e9, 3),
    "elementwise": ("elementwise_ops", "Element-wise (G ops)", 1e9, 3),
}


def stage_costs(results: Results) -> pd.DataFrame:
    """One row per layout and stage at the reference resolution: `layout`, `stage`, then raw counts."""
    rows = select(results.done("complexity"), resolution=results.reference)
    records = []
    for layout in results.layouts:
        for values in select(rows, layout=layout).get("values", []):
            for stage in values.get("stages") or ():
                counts = {column: stage.get(key) for key, (column, *_) in STAGE_COLUMNS.items()}
                records.append({"layout": layout, "stage": str(stage["name"]), **counts})
    return pd.DataFrame(records)


def stage_table(results: Results) -> Table | None:
    """Where in the layout its parameters and its work lie."""
    costs = stage_costs(results)
    if costs.empty:
        return None
    totals = costs.groupby("layout")["macs"].transform("sum")
    rows = []
    for record, total in zip(costs.to_dict("records"), totals, strict=True):
        cells = [
            number(float(record[column]), significant(float(record[column]) / scale, digits))
            for column, _, scale, digits in STAGE_COLUMNS.values()
        ]
        share = 100 * float(record["macs"]) / total if total else 0.0
        layout, stage = str(record["layout"]), str(record["stage"])
        rows.append(
            (Cell(layout, sort=layout), Cell(stage, sort=stage), *cells, number(share, fixed(share, 1)))
        )
    return Table(
        "stages",
        f"Cost by stage at {results.reference} px",
        "A stage holds the downsampling before it; the head holds the last norm and the classifier.",
        (
            Column("Layout", left=True),
            Column("Stage", left=True),
            *(Column(title) for _, title, *_ in STAGE_COLUMNS.values()),
            Column("share of MACs (%)"),
        ),
        tuple(rows),
        costs.assign(resolution_px=results.reference),
    )
