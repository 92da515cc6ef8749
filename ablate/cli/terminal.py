"""What the commands print on a terminal: tables, progress bars, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ablate.run.records import Cell
    from ablate.study.study import Study

Item = TypeVar("Item")

console = Console()
errors = Console(stderr=True)
notices = Console(stderr=True)  # progress and warnings: what `--quiet` leaves out


class StudyProgress:
    """One progress bar with time left for each kind of measurement, on stderr."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<11}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=notices,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def watch(self, kind: str, done: float, total: int) -> None:
        """Show that `done` of `total` cells of a kind are finished; fractions count."""
        if kind not in self._tasks:
            self._tasks[kind] = self._progress.add_task(kind, total=total)
        self._progress.update(self._tasks[kind], completed=done)


def progress(items: Sequence[Item], label: str) -> Iterable[Item]:
    """Iterate with a progress bar and the time left on stderr; it disappears at the end."""
    return track(items, label, console=notices, transient=True)


def print_warnings(warnings: Iterable[str]) -> None:
    """Each warning on a line of stderr."""
    for warning in warnings:
        notices.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)


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
