"""How matched and compared layouts look on a terminal."""

from __future__ import annotations

from ablate.cli.terminal import console, print_table
from ablate.cost.compare.diff import LayoutDiff
from ablate.cost.compare.shares import Costs
from ablate.cost.match.solve import MatchResult
from ablate.report.numbers import scaled, significant


def print_match(result: MatchResult) -> None:
    """What was changed to reach the budget, and what that did on every axis."""
    target = f"{result.axis} {scaled(result.target)}"
    console.print(
        f"{result.layout.name}: {target} by {result.by}: {scaled(result.value)} ({result.error:+.2%})"
    )
    if result.note:
        console.print(result.note, markup=False)
    for name, (before, after) in result.changes.items():
        old, new = (", ".join(f"{value:g}" for value in values) for values in (before, after))
        console.print(f"{name}: {old} -> {new}", markup=False, highlight=False)
    rows = [
        [axis, scaled(left.before), scaled(left.after), f"{left.relative:+.2%}"]
        for axis, left in result.leftover.items()
    ]
    print_table("", ["axis", "before", "after", "change"], rows)


def print_diff(diff: LayoutDiff) -> None:
    """One line for each kind of change, and the sums they add up to."""
    height, width = diff.resolution
    console.print(f"A: {diff.a}\nB: {diff.b}", markup=False, highlight=False)
    rows = [
        [
            row.place,
            _change(row.change, row.before, row.after, row.detail, len(row.parts)),
            *_costs(row.delta),
        ]
        for row in diff.rows
    ]
    columns = ["stage", "change", "params", "MACs", "saved, fused", "saved, math", "time (ms)"]
    rows += [
        ["", "A", *_costs(diff.before, sign=False)],
        ["", "B", *_costs(diff.after, sign=False)],
        ["", "B - A", *_costs(diff.total)],
    ]
    print_table(f"from A to B at {height} x {width}, batch {diff.batch}", columns, rows, text_columns=2)
    for kernel, (before, after) in diff.peaks.items():
        console.print(
            f"inference peak, {kernel}: {scaled(before.bytes, 'B')} (in {before.part}) -> "
            f"{scaled(after.bytes, 'B')} (in {after.part}); a maximum, so it is not split",
            markup=False,
            highlight=False,
        )


def _change(change: str, before: str, after: str, detail: str, count: int) -> str:
    times = f" (x{count})" if count > 1 else ""
    text = f"{before} -> {after}" if change == "swap" else f"{change} {after or before}"
    return f"{text}{times}" + (f": {detail}" if detail else "")


def _costs(costs: Costs, *, sign: bool = True) -> list[str]:
    counted = (costs.params, costs.macs, costs.saved_fused, costs.saved_math)
    units = ("", "", "B", "B")
    plus = [
        ("+" if sign and value > 0 else "") + scaled(value, unit)
        for value, unit in zip(counted, units, strict=True)
    ]
    time = "+" if sign and costs.time_ms > 0 else ""
    return [*plus, time + significant(costs.time_ms)]
