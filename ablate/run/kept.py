"""What is worked out once: a part's record stands in the ledger until what it is made of changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ablate.run.executors.base import Executor
from ablate.run.keyed_facts import KeyedFact
from ablate.run.ledger import Ledger
from ablate.run.records import Job, Outcome

K = TypeVar("K", bound=KeyedFact)


def keep(
    kind: type[K],
    keys: Mapping[str, str],
    job_of: Callable[[str], Job],
    record_of: Callable[[str, Outcome], Any],
    ledger: Ledger,
    executor: Executor,
) -> None:
    """Put the records of the parts of `keys` into the ledger, and no others, working out those it lacks.

    A part whose record is None has none.
    """
    known = ledger.read(kind) or kind()
    rows = {part: row for part, row in known.by_part.items() if known.keys.get(part) == keys.get(part)}
    jobs = {part: job_of(part) for part in keys if part not in rows}
    parts = {job.id: part for part, job in jobs.items()}
    for job, outcome in executor.run(list(jobs.values())):
        part = parts[job.id]
        rows[part] = record_of(part, outcome)
    done = [part for part in keys if rows.get(part) is not None]
    ledger.write(kind(tuple(rows[part] for part in done), {part: keys[part] for part in done}))
