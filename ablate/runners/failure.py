"""One way to turn an exception into a failed row."""

from __future__ import annotations

import re

from ablate.errors import AblateError
from ablate.measurements.values import FailedCell, Failure, FailureStatus
from ablate.runners.device import out_of_memory


def failure_of(error: BaseException) -> Failure:
    """The status and the reason, in one line, of a cell that ended with this exception."""
    text = str(error).strip()
    line = text.partition("\n")[0]
    if isinstance(error, FailedCell):
        return Failure(error.status, line)
    if isinstance(error, AblateError) and not text.startswith(_LOADERS):
        return Failure("error", line)  # written for users: its type says nothing more
    status: FailureStatus = "oom" if out_of_memory(error) else "error"
    return Failure(
        status, _raised(text) or (f"{type(error).__name__}: {line}" if line else type(error).__name__)
    )


_LOADERS = "Caught "


def _raised(text: str) -> str:
    """What a `DataLoader`'s own process raised: the line that the traceback in the text ends with."""
    if not text.startswith(_LOADERS) or "Original Traceback" not in text:
        return ""
    frames = text.rpartition("Traceback (most recent call last):\n")[2]
    raised = re.search(r"^(?:\w+\.)*(\w+(?:: .*)?)$", frames, re.MULTILINE)
    return raised[1].removeprefix(f"{AblateError.__name__}: ") if raised else ""
