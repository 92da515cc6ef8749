"""The import closure of a piece of code: which files make a value, and one hash of what they do.

Followed are the imports (`ablate.run.source`) of this project's packages and of a user's own modules, not
those of installed libraries, whose versions stand in a key by themselves.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import sysconfig
from functools import cache
from pathlib import Path

import ablate
import blocks
from ablate.extensions import PREFIX
from ablate.run.source import source

_ROOTS = {
    "ablate": Path(ablate.__file__).resolve().parent,
    "blocks": Path(blocks.__file__).resolve().parent,
}
_LIBRARIES = tuple(
    Path(path).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_paths().get(name))
)


@cache
def code_hash(*names: str) -> str:
    """The hash of everything that the modules of these names, or the files at these paths, are made of.

    A name may end in `:attribute`. What counts of a file is said by `ablate.run.source`.
    """
    text = "\n".join(f"{file} {hashed}" for file, hashed in code_files(*names))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def code_files(*names: str) -> list[tuple[str, str]]:
    """The files that `code_hash` is made of, each with the hash of what it does."""
    return [(_shown(file), source(file).hash) for file in sorted(closure(*names))]


@cache
def closure(*names: str) -> frozenset[Path]:
    """The files of the import closure of modules or files, themselves among them."""
    todo = [file for name in names if (file := _file_of(name)) is not None]
    files: set[Path] = set()
    while todo:
        file = todo.pop()
        if file not in files:
            files.add(file)
            todo += _imported(file)
    return frozenset(files)


def _file_of(name: str) -> Path | None:
    if name.endswith(".py"):
        return Path(name).resolve()
    module = name.partition(":")[0]
    if module.startswith(PREFIX):  # a user's file, under the name that it was imported by
        loaded = sys.modules.get(module)
        return Path(str(loaded.__file__)).resolve() if loaded is not None else None
    return _module_file(module)


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The files that one file imports directly."""
    files = []
    for dots, module, names in source(file).imports:
        base = module
        if dots:
            parts = _package_of(file).split(".")
            base = ".".join([*parts[: len(parts) - dots + 1], *filter(None, [module])])
        modules = [f"{base}.{name}" for name in names]
        known = [name for name in modules if _module_file(name) is not None]
        if len(known) < len(modules) or not modules:
            known.append(base)
        files += [path for name in known if (path := _module_file(name, beside=file.parent)) is not None]
    return tuple(files)


@cache
def _module_file(name: str, beside: Path | None = None) -> Path | None:
    """The file of a module of this project or of the user's; None for libraries and what is no module."""
    top, *rest = name.split(".")
    if top in _ROOTS:
        return _in_folder(_ROOTS[top], rest) if rest else None
    if top in sys.stdlib_module_names:
        return None
    if beside is not None:
        own = _in_folder(beside, [top, *rest])
        if own is not None and not _is_library(own):
            return own
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    origin = Path(spec.origin).resolve()
    if _is_library(origin):
        return None
    return _in_folder(origin.parent, rest) if rest and origin.name == "__init__.py" else origin


def _in_folder(folder: Path, parts: list[str]) -> Path | None:
    path = folder.joinpath(*parts)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate.resolve()
    return None


def _is_library(file: Path) -> bool:
    return "site-packages" in file.parts or any(file.is_relative_to(folder) for folder in _LIBRARIES)


def _package_of(file: Path) -> str:
    """The dotted package in which a file's relative imports are looked up."""
    for top, root in _ROOTS.items():
        if file.is_relative_to(root):
            return ".".join([top, *file.relative_to(root).parent.parts])
    return ""


def _shown(file: Path) -> str:
    """A file's name in a hash: the same on every machine."""
    for top, root in _ROOTS.items():
        if file.is_relative_to(root):
            return f"{top}/{file.relative_to(root).as_posix()}"
    return file.name


def forget() -> None:
    """Forget what files hold, for a process in which they change."""
    for remembered in (code_hash, closure, _imported, _module_file):
        remembered.cache_clear()
