"""`Values`: what a row of the ledger holds, as a frozen dataclass that goes to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pydantic import TypeAdapter


class Values:
    """Base of the frozen dataclasses that measurements return."""

    def to_json(self) -> dict[str, Any]:
        """The values as plain lists and dictionaries."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; entries without a field are left out. Raises `ValidationError`."""
        value: Self = _adapter(cls).validate_python(dict(data))
        return value


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    """Made once a class: it takes longer than reading a row."""
    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


FailureStatus = Literal["oom", "diverged", "timeout", "crashed", "error"]


@dataclass(frozen=True)
class Failure(Values):
    """Why a cell has no values."""

    status: FailureStatus
    reason: str


class FailedCell(Exception):  # noqa: N818  (the state of a cell, not a bug)
    """A runner raises it to end its cell as a failed row with another status than `error`."""

    status: FailureStatus = "error"


@dataclass(frozen=True)
class Part(Values):
    """What one process of a group comes to: layouts that failed in it, and plain data about the others."""

    failed: dict[str, Failure]
    data: dict[str, Any]
