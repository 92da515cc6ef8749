"""One way to turn an exception into a failed row."""

from __future__ import annotations

from ablate.errors import AblateError
from ablate.measurements.values import FailedCell, Failure
from ablate.runners.device import out_of_memory


def failure_of(error: BaseException) -> Failure:
    """The status and the reason, in one line, of a cell that ended with this exception."""
    line = str(error).strip().partition("\n")[0]
    if isinstance(error, FailedCell):
        return Failure(error.status, line)
    if isinstance(error, AblateError):  # written for users: its type says nothing more
        return Failure("error", line)
    text = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return Failure("oom" if out_of_memory(error) else "error", text)
