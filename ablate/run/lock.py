"""One writer at a time: a lock on a study's folder, held by a process and released when it ends."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ablate.errors import AblateError

NAME = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder for this process. Raises `AblateError` with the holder's pid and host when it is taken.

    The lock belongs to the open file, so it is gone when its process is, however that ended; the file stays.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / NAME, "a+", encoding="utf-8")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise AblateError(f"cannot write to {folder}: {error.strerror or error}") from error
    with file:
        if not _taken(file):
            raise AblateError(_in_use(folder, file))
        file.seek(0)
        file.truncate()
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": " ".join(sys.argv[:4])}
        json.dump(holder | {"since": datetime.now(UTC).isoformat(timespec="seconds")}, file)
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    """Take the lock; whether it was free."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _in_use(folder: Path, file: IO[str]) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        owner = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError):
        owner = "another process"
    return (
        f"{folder} is being written by {owner}; wait for it or stop it, or give another folder with --out "
        f"(if that process is gone, delete {folder / NAME})"
    )
