"""What the commands print on a terminal: tables, progress bars, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ablate.run.facts import TrialRecord
    from ablate.run.history import Failures
    from ablate.run.records import Cell
    from ablate.study.study import Study

Item = TypeVar("Item")

console = Console()
errors = Console(stderr=True)
notices = Console(stderr=True)  # progress and warnings: what `--quiet` leaves out


def progress(items: Sequence[Item], label: str) -> Iterable[Item]:
    """Iterate with a progress bar and the time left on stderr; it disappears at the end."""
    return track(items, label, console=notices, transient=True)


_ALIKE, _KINDS = 3, 8


def print_warnings(warnings: Iterable[str]) -> None:
    """Each warning on a line of stderr: of those that say the same of several places the first three, and of
    what is said the first eight."""
    alike: dict[str, list[str]] = {}
    for warning in warnings:
        alike.setdefault(warning.rpartition(": ")[2], []).append(warning)
    lines: list[str] = []
    for text, group in list(alike.items())[:_KINDS]:
        lines += [*group[:_ALIKE], f"{text}: {len(group) - _ALIKE:,} more"][: len(group)]
    if len(alike) > _KINDS:
        left = list(map(len, alike.values()))[_KINDS:]
        lines.append(f"{sum(left):,} more, of {len(left):,} other kinds")
    for line in lines:
        notices.print(f"warning: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, text_columns: int = 1
) -> None:
    """A table on stdout: `text_columns` columns of text, then numbers, aligned to the right."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        if index < text_columns:
            table.add_column(column, min_width=6)
        else:
            table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            *(Text(str(cell)) for cell in row)
        )  # a Text, because a pattern's brackets are no markup
    console.print(table)


def print_layouts(study: Study) -> None:
    """The stages of every layout of a study."""
    rows: list[list[object]] = []
    for name, layout in study.layouts.items():
        rows += [["" if index else name, *line] for index, line in enumerate(layout.outline())]
    print_table(study.name, ["layout", "blocks", "stage", "width", "heads"], rows, text_columns=2)


def print_status(cells: Sequence[Cell], statuses: Mapping[str, str]) -> None:
    """How many cells of each kind are done, failed, stale and missing."""
    counts = Counter((cell.kind, statuses[cell.key]) for cell in cells)
    states = ("done", "failed", "stale", "missing")
    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    print_table(
        "", ["cells", *states], [[kind, *(counts[kind, state] for state in states)] for kind in kinds]
    )


def print_trials(trials: Sequence[TrialRecord], wanted: int) -> None:
    """How many of a search's trials are settled, and how."""
    counts = Counter(trial.status for trial in trials)
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    console.print(
        f"search: {len(trials)} of {wanted} trials" + (f" ({summary})" if summary else ""), highlight=False
    )


_SHOWN = 10  # reasons and cells that are listed before the rest is counted


def print_failures(groups: Sequence[Failures]) -> None:
    """The distinct reasons of failed cells with how many cells each has, on stderr."""
    for group in groups[:_SHOWN]:
        cells = ", ".join(group.cells[:2]) + (", ..." if len(group.cells) > 2 else "")
        reason = f": {_one_line(group.reason)}" if group.reason else ""
        text = f"{len(group.cells)} {group.status}{reason} ({cells})"
        errors.print(text, style="red", markup=False, highlight=False)
    rest = groups[_SHOWN:]
    if rest:
        count = sum(len(group.cells) for group in rest)
        errors.print(
            f"{count} more for {len(rest)} other reasons", style="red", markup=False, highlight=False
        )


def print_why(cells: Sequence[Cell], reasons: Mapping[str, Sequence[str]]) -> None:
    """What made cells stale: each change with the cells that it touches."""
    changes: dict[str, list[str]] = {}
    for cell in cells:
        for reason in reasons.get(cell.key, ()):
            changes.setdefault(reason, []).append(f"{cell.kind} of {cell.layout}")
    for change, touched in sorted(changes.items(), key=lambda item: -len(item[1])):
        names = list(dict.fromkeys(touched))
        more = ", ..." if len(names) > 3 else ""
        console.print(
            f"{len(touched)} stale: {change} ({', '.join(names[:3])}{more})", markup=False, highlight=False
        )
    if not changes:
        console.print("no cell is stale", markup=False, highlight=False)


def duration(seconds: float) -> str:
    """Seconds as people say them: `0.1 s`, `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours / 24:.1f} days"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]}..."
