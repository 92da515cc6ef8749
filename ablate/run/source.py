"""What a Python file does, as one text: what changes no value does not change the text either.

Left out are comments, layout, docstrings, what runs only while a graph is exported, and that a property is
remembered. Local variables are numbered: another name for one is the same code.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from ablate.run.source_cache import SourceCache

_EXPORTING = ("torch.compiler.is_exporting()", "torch.onnx.is_in_onnx_export()")
_REMEMBERED = ["property", "cache"]
_BUILTIN = frozenset(dir(builtins))
_BY_NAME = frozenset({"dir", "eval", "exec", "locals", "vars"})
"""Functions that see what local variables are called."""
_Scope = TypeVar("_Scope", ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Import(NamedTuple):
    """An import of `module`, after so many `dots`, and of `names` from it, which may be modules too."""

    dots: int
    module: str
    names: tuple[str, ...] = ()


class Source(NamedTuple):
    """What counts of a file: the `hash` of what it does, and its `imports`, lazy ones too, and those of the
    dotted names that `ablate.dotted.load` is called with; what is imported for type checking alone is not
    among them."""

    hash: str
    imports: tuple[Import, ...]


def source(file: Path) -> Source:
    """What counts of the file as it is now; a text that was read before, by any process, is remembered.

    Left out is what runs only while a graph is exported, under a test of `torch.compiler.is_exporting()` or
    `torch.onnx.is_in_onnx_export()`: no cell runs it. A property that is remembered (`@property` over
    `@cache`) counts as one that is not: it has the same value.
    """
    return _read(file.read_text(encoding="utf-8"))


@cache
def _read(text: str) -> Source:
    known = _cache().get(text)
    if known is not None:
        return Source(known[0], tuple(Import(dots, module, tuple(names)) for dots, module, names in known[1]))
    read = _parse(text)
    _cache().keep(text, read)
    return read


@cache
def _cache() -> SourceCache:
    return SourceCache(Path(__file__))


def _parse(text: str) -> Source:
    tree: ast.Module = _Measured().visit(ast.parse(text))
    kept = _BUILTIN | frozenset(_bound(tree, assigned=True, functions=False))
    for function in _outermost_functions(tree):
        _number_locals(function, kept)
    hashed = hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]
    return Source(hashed, tuple(_imports(tree)))


class _Measured(ast.NodeTransformer):
    """Takes docstrings out, puts what is run otherwise in the place of what runs only while a graph is
    exported, and plain properties in the place of remembered ones."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if [ast.unparse(decorator) for decorator in node.decorator_list] == _REMEMBERED:
            del node.decorator_list[1]
        return self._body(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) in _EXPORTING else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) in _EXPORTING else node

    def _body(self, node: _Scope) -> _Scope:
        if (
            node.body
            and isinstance(first := node.body[0], ast.Expr)
            and isinstance(first.value, ast.Constant)
        ):
            del node.body[0]
        self.generic_visit(node)
        return node


def _outermost_functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions of a module and methods of its classes, not what is defined inside them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        else:
            yield from _outermost_functions(child)


def _number_locals(function: ast.FunctionDef | ast.AsyncFunctionDef, kept: frozenset[str]) -> None:
    """Call local variables by their order in the body of a function, inner functions included.

    A name that means something outside (`kept`), or that is bound otherwise than by assignment, stays.
    """
    body = [node for statement in function.body for node in ast.walk(statement)]
    names = [node for node in body if isinstance(node, ast.Name)]
    if any(name.id in _BY_NAME for name in names):
        return
    assigned = {name.id for name in names if not isinstance(name.ctx, ast.Load)} - kept
    if assigned:
        assigned.difference_update(_bound(function, assigned=False))
    numbers: dict[str, str] = {}
    for name in names:
        if name.id in assigned:
            name.id = numbers.setdefault(name.id, f"%{len(numbers)}")


def _bound(scope: ast.AST, *, assigned: bool, functions: bool = True) -> Iterator[str]:
    """Names that the parts of a scope bind by other means than assignment, with `assigned` by that too; those
    in its inner functions among them, or not."""
    for node in ast.iter_child_nodes(scope):
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if assigned:
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names
            case ast.alias(name=name, asname=other):
                yield (other or name).partition(".")[0]
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.ExceptHandler(name=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
        if functions or not inner:
            in_class = isinstance(node, ast.ClassDef)
            yield from _bound(node, assigned=in_class or (assigned and not inner), functions=functions)


def _imports(tree: ast.AST) -> Iterator[Import]:
    for node in _run_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.level, node.module or "", tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load" and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and ":" in str(argument.value):
                yield Import(0, str(argument.value).partition(":")[0])


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
