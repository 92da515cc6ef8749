"""A user's own files: blocks, measurements, data sets, tables, executors. Importing runs them.

A file is imported under a name made of its path, once a process; first in a forked copy of this one, so that
a file that exits, loops or crashes does so there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ablate.errors import AblateError
from ablate.forked import Forked, GoneError

GROUP = "ablate.extensions"
"""The entry points under which an installed package makes its own parts known."""
PREFIX = "ablate_user_"


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
    first = Forked(_trouble)
    try:
        trouble = first(path) or _trouble(path)
    except GoneError as gone:
        trouble = str(gone)
    finally:
        first.close()
    if trouble:
        raise AblateError(f"cannot import {shown}: {trouble}")


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


def _trouble(path: Path) -> str:
    """Import a file; in words what is wrong with it, which may be anything, and nothing where nothing is."""
    try:
        import_file(path)
    except Exception as error:
        return one_line(error)
    return ""
