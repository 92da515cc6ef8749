"""A user's own files: blocks, measurements, data sets, tables, executors. Importing runs them.

A file is imported under a name made of its path, once a process. `probe` imports it first in a process of its
own, so that a file that exits, loops or crashes does so there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import multiprocessing
import os
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ablate.errors import AblateError

GROUP = "ablate.extensions"
"""The entry points under which an installed package makes its own parts known."""
PREFIX = "ablate_user_"
SECONDS = 20.0
"""How long a file may take to import."""


def module_name(path: Path) -> str:
    """The name under which a file is imported."""
    return PREFIX + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]


def import_file(path: Path) -> ModuleType:
    """Import a file, once a process. Raises whatever its code raises."""
    path = path.resolve()
    name = module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AblateError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # the file's own helper modules lie beside it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_extension(path: Path, *, shown: str | None = None) -> None:
    """Import a file that a study names. Raises `AblateError` in one line for whatever is wrong with it."""
    shown = shown or str(path)
    if not path.is_file():
        raise AblateError(f"there is no file {shown!r}")
    if module_name(path) in sys.modules:
        return
    trouble = probe(path)
    if trouble:
        raise AblateError(f"cannot import {shown}: {trouble}")
    try:
        import_file(path)
    except Exception as error:  # the user's code may raise anything
        raise AblateError(f"cannot import {shown}: {one_line(error)}") from error


@cache
def load_installed() -> tuple[str, ...]:
    """Import what installed packages offer as extensions; their names."""
    names = []
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise AblateError(f"cannot import the extension {entry.value}: {one_line(error)}") from error
        names.append(entry.value)
    return tuple(names)


def one_line(error: BaseException) -> str:
    """An exception in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def probe(path: Path, seconds: float = SECONDS) -> str:
    """What goes wrong when a file is imported, in words; empty when nothing does.

    The import happens in a forked child, which knows everything that is imported here and costs no time to
    start; where there is no fork, nothing is tried.
    """
    if "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return ""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(path, reader, writer)
    os.close(writer)
    try:
        return _wait(pid, reader, seconds)
    finally:
        os.close(reader)


def _child(path: Path, reader: int, writer: int) -> None:
    """Import the file and say how it went; never returns."""
    code, message = 1, ""
    try:
        os.close(reader)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        import_file(path)
        code = 0
    except Exception as error:
        message = one_line(error)
    except BaseException as error:
        message = f"it ends the process ({type(error).__name__}: {one_line(error)})"
    finally:
        os.write(writer, message.encode("utf-8", "replace")[:4000])
        os._exit(code)


def _wait(pid: int, reader: int, seconds: float) -> str:
    import select
    import signal
    import time

    end, said_so, status = time.monotonic() + seconds, b"", None
    while status is None:
        left = end - time.monotonic()
        if left <= 0:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return f"it did not end within {seconds:g} s"
        ready, _, _ = select.select([reader], [], [], min(left, 0.2))
        if ready:
            part = os.read(reader, 4096)
            said_so += part
            if not part:  # every copy of the pipe's end is closed
                time.sleep(0.001)
        done, code = os.waitpid(pid, os.WNOHANG)
        status = code if done else None
    while select.select([reader], [], [], 0)[0] and (part := os.read(reader, 4096)):
        said_so += part
    if os.WIFSIGNALED(status):
        return f"it crashes the process ({signal.Signals(os.WTERMSIG(status)).name})"
    if os.WEXITSTATUS(status) == 0:
        return ""
    return (
        said_so.decode("utf-8", "replace") or f"it ends the process with exit code {os.WEXITSTATUS(status)}"
    )
