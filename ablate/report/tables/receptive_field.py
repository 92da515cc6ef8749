"""The share of the image that moves one unit of each stage."""

from __future__ import annotations

import pandas as pd

from ablate.measurements.receptive_field import ReceptiveFieldValues, Share
from ablate.report.numbers import with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number

_WHEN = ("before training", "after training")


@table("receptive_field", order=97)
def receptive_field_table(results: Results) -> Table | None:
    """One row a layout, seed and stage; None where the study does not measure it."""
    rows, raw = [], []
    for record in results.done("receptive_field"):
        values = record.values
        if not isinstance(values, ReceptiveFieldValues):
            continue
        for place, before in enumerate(values.before):
            shares: list[Share | None] = [before.half, before.most]
            trained = values.after[place] if values.after is not None else None
            shares += [None, None] if trained is None else [trained.half, trained.most]
            seed = str(record.at("seed"))
            names = (Cell(record.layout, sort=record.layout), Cell(seed), Cell(str(before.stage)))
            rows.append((*names, *map(_cell, shares)))
            means = [None if share is None else share.mean for share in shares]
            raw.append((record.layout, record.at("seed"), before.stage, *means))
    if not rows:
        return None
    heads = ("half_before", "most_before", "half_after", "most_after")
    return Table(
        "receptive_field",
        "Effective receptive field",
        "The smallest share of the image's area (%) that holds 50 or 95 % of the gradient of the centre of a "
        "stage's output; mean over images with its 95 % interval.",
        (
            Column("Layout", left=True),
            Column("seed"),
            Column("stage"),
            *(
                Column(f"{part} %", when)
                for when in ("before training", "after training")
                for part in (50, 95)
            ),
        ),
        tuple(rows),
        pd.DataFrame(raw, columns=["layout", "seed", "stage", *heads]),
    )


def _cell(share: Share | None) -> Cell:
    if share is None:
        return Cell("–")
    half = None if share.high is None else share.high - share.mean
    return number(share.mean, with_error(share.mean, half))
