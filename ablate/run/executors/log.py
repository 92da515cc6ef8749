"""What worker processes print, kept in a file for whoever asks for it; else it goes with the worker."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ablate.errors import AblateError

_files: list[Path] = []


def keep_log(path: Path) -> None:
    """From now on append what each worker printed to this file, when the worker ends.

    Raises `AblateError` when the file cannot be written.
    """
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise AblateError(f"cannot write the workers' log {path}: {error.strerror or error}") from error
    _files[:] = [path]


def keep_output(printed: IO[bytes], pid: int) -> None:
    """Append what a worker printed, under a line with its process id, where a log is kept."""
    for path in _files:
        with contextlib.suppress(OSError):
            printed.seek(0)
            text = printed.read()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with path.open("ab") as log:
                log.write(f"== worker {pid}, ended {now}, {len(text)} bytes\n".encode())
                log.write(text if not text or text.endswith(b"\n") else text + b"\n")
