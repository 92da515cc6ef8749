"""What a running study shows on stderr: cells done, failed and left, the time left, the best so far."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from ablate.cli.terminal import duration, notices

if TYPE_CHECKING:
    from ablate.run.records import Cell, Outcome

LINE_SECONDS = 30.0
"""How often a line is written where the output is no terminal."""


class StudyProgress:
    """Follows a study: a bar a measurement on a terminal, else a plain line now and then.

    `watch` is told how many cells are done, `hear` every outcome.
    """

    def __init__(self, console: Console = notices, every: float = LINE_SECONDS) -> None:
        self.console, self.every = console, every
        self.live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description:<11}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        self._failed: dict[str, int] = {}
        self._best: dict[str, tuple[float, str]] = {}
        self._told: dict[str, float] = {}
        self._done: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self.live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self._progress.stop()

    def hear(self, cell: Cell, outcome: Outcome) -> None:
        """Take notice of the outcome of one cell."""
        from ablate.measurements.register import measurement

        if outcome.values is None:
            self._failed[cell.kind] = self._failed.get(cell.kind, 0) + 1
            return
        entry = measurement(cell.kind)
        wanted = next((q for q in entry.quantities if q.better != "neither"), None)
        if entry.where == "counted" or wanted is None:
            return
        value = wanted.value(entry.values.from_json(outcome.values))
        known = self._best.get(cell.kind)
        if value == value and (known is None or (value > known[0]) == (wanted.better == "higher")):
            shown = f"{value / wanted.scale:.4g} {wanted.unit}".strip()
            self._best[cell.kind] = (value, f"best {wanted.label.lower()} {shown} ({cell.layout})")

    def watch(self, kind: str, done: float, total: int) -> None:
        """Show that `done` of `total` cells of a kind are finished; fractions count."""
        now = time.monotonic()
        self._begun.setdefault(kind, now)
        text = self._words(kind, done, total, now - self._begun[kind])
        if self.live:
            if kind not in self._tasks:
                self._tasks[kind] = self._progress.add_task(kind, total=total, text="")
            self._progress.update(self._tasks[kind], completed=done, text=text)
        elif (done >= total and self._done.get(kind, -1.0) < total) or now - self._told.get(
            kind, -self.every
        ) >= self.every:
            self._told[kind] = now
            self._done[kind] = done
            line = Text(f"{kind}: {int(done)} of {total} cells{f', {text}' if text else ''}")
            self.console.print(line, soft_wrap=True)

    def _words(self, kind: str, done: float, total: int, seconds: float) -> str:
        words = []
        if self._failed.get(kind):
            words.append(f"{self._failed[kind]} failed")
        if 0 < done < total:
            words.append(f"{duration(seconds * (total - done) / done)} left")
        if kind in self._best:
            words.append(self._best[kind][1])
        return ", ".join(words)
