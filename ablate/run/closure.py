"""The import closure of a piece of code: which files make a value, and one hash of what they do.

Followed are imports of this project's packages and of a user's own modules, lazy ones too, and the dotted
names that `ablate.dotted.load` is called with. What is imported for type checking alone is not, and neither
are installed libraries, whose versions stand in a key by themselves.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import ablate
import blocks
from ablate.extensions import PREFIX
from blocks.registry import _text_hash

_ROOTS = {
    "ablate": Path(ablate.__file__).resolve().parent,
    "blocks": Path(blocks.__file__).resolve().parent,
}
_EXPORTING = ("torch.compiler.is_exporting()", "torch.onnx.is_in_onnx_export()")
_REMEMBERED = ["property", "cache"]
_LIBRARIES = tuple(
    Path(path).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_paths().get(name))
)


@cache
def code_hash(*names: str) -> str:
    """The hash of everything that the modules of these names, or the files at these paths, are made of.

    A name may end in `:attribute`. Comments, layout and docstrings do not change the hash, and neither does
    what runs only while a graph is exported, under a test of `torch.compiler.is_exporting()` or
    `torch.onnx.is_in_onnx_export()`: no cell runs it. A property that is remembered (`@property` over
    `@cache`) counts as one that is not: it has the same value.
    """
    text = "\n".join(f"{file} {hashed}" for file, hashed in code_files(*names))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def code_files(*names: str) -> list[tuple[str, str]]:
    """The files that `code_hash` is made of, each with the hash of what it does."""
    return [(_shown(file), _text_hash(_measured(file))) for file in sorted(closure(*names))]


@cache
def _measured(file: Path) -> str:
    """A file's text without what runs only while a graph is exported, and without what is only remembered."""
    text = file.read_text(encoding="utf-8")
    if not any(word in text for word in (*_EXPORTING, "@cache")):
        return text
    tree = _Measured().visit(ast.parse(text))
    for node in ast.walk(tree):
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


class _Measured(ast.NodeTransformer):
    """Puts what is run otherwise in the place of what runs only while a graph is exported, and plain
    properties in the place of remembered ones."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        if [ast.unparse(decorator) for decorator in node.decorator_list] == _REMEMBERED:
            del node.decorator_list[1]
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) in _EXPORTING else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) in _EXPORTING else node


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
    found = []
    for base, objects in _imports(_measured(file), _package_of(file)):
        modules = [f"{base}.{name}" for name in objects]
        known = [module for module in modules if _module_file(module) is not None]
        if len(known) < len(modules) or not modules:
            known.append(base)
        found += [path for name in known if (path := _module_file(name, beside=file.parent)) is not None]
    return tuple(found)


@cache
def _imports(text: str, package: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Modules that a text may import, each with what is imported from it, which may be modules too."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in _run_nodes(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            found.append((base, tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load" and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and ":" in str(argument.value):
                found.append((str(argument.value).partition(":")[0], ()))
    return tuple(found)


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        yield node
        todo += ast.iter_child_nodes(node)


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
    for remembered in (code_hash, closure, _imported, _module_file, _measured):
        remembered.cache_clear()
