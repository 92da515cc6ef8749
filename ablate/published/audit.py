"""The audit of the published record: every figure beside the count, with its cause where they differ."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ablate.errors import AblateError, did_you_mean
from ablate.published.causes import Row, explain
from ablate.published.record import Figure, figures
from ablate.published.recount import Form, Store

STORE = "recounts.jsonl"
COLUMNS = (
    "model",
    "resolution",
    "published_params_m",
    "params",
    "published_gmacs",
    "macs",
    "error_percent",
    "cause",
    "reproduced_macs",
    "explanation",
    "timm",
    "file",
)


def chosen(only: str | None = None) -> tuple[Figure, ...]:
    """The published figures of the models whose name fits a pattern (`resnet*`), all without one.

    A pattern without a wildcard is a name. Raises `AblateError` when none fits.
    """
    fitting = tuple(figure for figure in figures() if only is None or fnmatchcase(figure.model, only))
    if not fitting:
        names = sorted({figure.model for figure in figures()})
        near = did_you_mean(str(only), names)
        raise AblateError(f"no published model fits {only!r}{near if '; did' in near else ''}")
    return fitting


def audit_record(
    pairs: Sequence[Figure],
    store: Store,
    workers: int = 1,
    watch: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Row]:
    """Count every pair that the store does not hold, then explain what differs.

    `watch(phase, done, total)` is called after each pair; the store keeps each when it is counted, so that a
    run that was stopped goes on.
    """
    for done, _ in enumerate(store.fill((_form(pair) for pair in pairs), workers), start=1):
        watch("count", done, len(pairs))
    rows = []
    for done, pair in enumerate(pairs, start=1):
        rows.append(explain(pair, store))
        watch("explain", done, len(pairs))
    return rows


def write_csv(rows: Iterable[Row], file: Path) -> None:
    """One line a pair. MACs and parameters are counts; the error is published minus counted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            error = row.error_percent
            writer.writerow(
                [
                    row.figure.model,
                    row.figure.resolution,
                    row.figure.params_m,
                    _blank(row.params),
                    row.figure.gmacs,
                    _blank(row.macs),
                    "" if error is None else f"{error:.3f}",
                    row.cause,
                    _blank(row.again),
                    row.explanation,
                    row.timm,
                    row.figure.file,
                ]
            )


def _form(figure: Figure) -> Form:
    return Form(figure.model, figure.resolution)


def _blank(value: int | None) -> int | str:
    return "" if value is None else value


def write_counts(rows: Iterable[Row], file: Path) -> None:
    """MACs and parameters of the pairs that could be counted."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["model", "resolution", "macs", "params"])
        for row in rows:
            if row.macs is not None:
                writer.writerow([row.figure.model, row.figure.resolution, row.macs, row.params])
