"""A cell: one measurement of one layout under one condition. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

CellKind = Literal["complexity", "scaling", "audit", "memory", "throughput", "accuracy"]
Failure = Literal["oom", "diverged", "timeout", "crashed", "error"]
Json: TypeAlias = dict[str, Any]


def digest(value: Any) -> str:
    """A short hash of a JSON-able value that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Cell:
    """What is measured, of which layout, under which condition.

    `key` is the hash of everything that can change the value (`ablate.run.plan.cell_key`).
    """

    layout: str
    kind: CellKind
    condition: Mapping[str, Any]
    key: str

    @property
    def place(self) -> str:
        """Where the cell stands in the study, whatever its key: a row here with another key is stale."""
        return digest([self.layout, self.kind, dict(self.condition)])

    def __str__(self) -> str:
        condition = ", ".join(f"{key}={value}" for key, value in self.condition.items())
        return f"{self.kind} of {self.layout} ({condition})"


@dataclass(frozen=True)
class Outcome:
    """What came of a cell: `status` is `done` or the kind of failure, `reason` says why it failed."""

    status: Literal["done"] | Failure
    values: Json
    reason: str = ""
    seconds: float = 0.0
