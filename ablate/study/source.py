"""YAML text to plain data, with the line and column of every key and value.

YAML 1.2 as people expect it: `no` is a word, `012` is 12, `1e-3` is a number. Merges and anchors work; object
tags, duplicate keys and keys without a value are mistakes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ablate.errors import LayoutError, Mistake, Problem

KeyPath: TypeAlias = tuple[str | int, ...]

_PLAIN_TAGS = ("null", "bool", "int", "float", "str", "seq", "map", "merge", "timestamp")
_QUOTES = "a text with commas needs quotes"
_MAX_BYTES = 2**18  # what can be read within two seconds
_MAX_VALUES = 100_000  # aliases of aliases could otherwise stand for more values than fit the memory


@dataclass
class Source:
    """A YAML file's data, where each part of it stands, and the mistakes of its form."""

    name: str
    text: str
    data: Any = None
    values: dict[KeyPath, Node] = field(default_factory=dict)
    keys: dict[KeyPath, Node] = field(default_factory=dict)
    mistakes: list[Problem] = field(default_factory=list)

    def problem(self, mistake: Mistake) -> Problem:
        """The mistake at its place in the file; of the nearest part that is written, when the part itself is
        not."""
        path = mistake.path
        while path and path not in self.values:
            path = path[:-1]
        known = path == mistake.path
        above = not known and not isinstance(self.values.get(path), ScalarNode)
        node = self.keys.get(path) if mistake.at_key or above else None
        node = node or self.values.get(path)
        if node is None:
            return self.at(mistake.message, 0, 0)
        if known and mistake.offset is not None and not mistake.at_key:
            lines = self.text.split("\n")
            hint = f"; inside [] or {{}} {_QUOTES}" if _is_cut(lines, node) else ""
            return self.at(mistake.message + hint, *_inside(lines, node, mistake.offset))
        return self.at(mistake.message, node.start_mark.line, node.start_mark.column)

    def line(self, mistake: Mistake) -> str:
        """`file:line:column: message`, without the line's text: for warnings."""
        return str(replace(self.problem(mistake), source=""))

    def at(self, message: str, line: int, column: int) -> Problem:
        """A problem at a line and a column that count from 0."""
        lines = self.text.split("\n")
        shown = lines[line].rstrip("\r").replace("\t", " ") if line < len(lines) else ""
        return Problem(message, self.name, line + 1, column + 1, shown)


def read_source(path: Path) -> Source:
    """Read and parse a YAML file. Raises `LayoutError` when it cannot be read or is not YAML."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES and path.is_file():
            message = f"has {size:,} bytes; a study has at most {_MAX_BYTES:,}: write layouts with `vary`"
            raise LayoutError(Problem(message, str(path)))
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise LayoutError(Problem("is not a text file in UTF-8", str(path))) from None
    except OSError as error:
        raise LayoutError(Problem(error.strerror or "cannot be read", str(path))) from None
    return parse_source(text, str(path))


def parse_source(text: str, name: str) -> Source:
    """Parse YAML text; `name` is what messages call the file. Raises `LayoutError` when it is not YAML."""
    source = Source(name, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it
            node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(str(error.problem or error.context).split())
        place = (mark.line, mark.column) if mark is not None else (0, 0)
        raise LayoutError(source.at(f"not YAML: {message}", *place)) from None
    except RecursionError:
        raise LayoutError(source.at("the file nests too deeply", 0, 0)) from None
    except Exception as error:  # odd directives end in assertions and the like inside ruamel.yaml
        message = " ".join(str(error).split())
        raise LayoutError(source.at(f"not YAML: {message}", 0, 0)) from None
    if node is None:
        raise LayoutError(source.at("the file is empty", 0, 0))
    try:
        source.data = _Walk(source).value(node, ())
    except RecursionError:
        raise LayoutError(source.at("the file nests too deeply", 0, 0)) from None
    return source


class _Walk:
    """Turns nodes into data, notes their places, and collects what is wrong with them."""

    def __init__(self, source: Source):
        self.source = source
        self.open: set[int] = set()  # nodes being read: one that is met again contains itself
        self.cut: set[int] = set()
        self.seen = 0

    def wrong(self, node: Node, message: str) -> None:
        self.source.mistakes.append(self.source.at(message, node.start_mark.line, node.start_mark.column))

    def value(self, node: Node, path: KeyPath) -> Any:
        self.source.values.setdefault(path, node)
        self.seen += 1
        if self.seen > _MAX_VALUES:
            message = f"the file holds more than {_MAX_VALUES} values"
            raise LayoutError(self.source.at(message, node.start_mark.line, node.start_mark.column))
        if id(node) in self.open:
            self.wrong(node, "an anchor contains itself")
            return None
        tag = str(node.tag)
        if tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
            self.wrong(node, f"tags are not allowed, got {tag.replace('tag:yaml.org,2002:', '!!')}")
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self.mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            return self.scalar(node) if isinstance(node, ScalarNode) else None
        finally:
            self.open.discard(id(node))

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.wrong(key, "a key must be a word")
            elif key.value == "<<" and key.style is None:
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif key.value in data:
                first = self.source.keys[(*path, key.value)].start_mark.line + 1
                self.wrong(key, f"the key {key.value!r} is given twice; first on line {first}")
            else:
                self.source.keys[(*path, key.value)] = key
                data[key.value] = self.value(value, (*path, key.value))
                if isinstance(value, ScalarNode) and str(value.tag).endswith(":null"):
                    self.no_value(node, key)
                    del data[key.value]
        for other in merged:
            self.merge(other, path, data)
        return data

    def no_value(self, node: MappingNode, key: ScalarNode) -> None:
        """A key without a value; in `{layout: graft(a, b)}` a part of a text that the comma has cut."""
        if not node.flow_style:
            self.wrong(key, f"the key {key.value!r} has no value")
        elif id(node) not in self.cut:
            self.cut.add(id(node))
            self.wrong(key, f"the key {key.value!r} has no value; inside {{}} {_QUOTES}")

    def merge(self, node: Node, path: KeyPath, data: dict[str, Any]) -> None:
        """`<<: *other` adds the keys that are not there yet."""
        if not isinstance(node, MappingNode) or id(node) in self.open:
            self.wrong(node, "'<<' merges mappings only")
            return
        scratch = _Walk(Source(self.source.name, self.source.text))
        scratch.open, scratch.seen = self.open, self.seen
        for key, value in scratch.value(node, path).items():
            if key not in data:
                data[key] = value
                below = (*path, key)
                for marks, copied in (
                    (self.source.keys, scratch.source.keys),
                    (self.source.values, scratch.source.values),
                ):
                    marks |= {at: mark for at, mark in copied.items() if at[: len(below)] == below}
        self.seen = scratch.seen

    def scalar(self, node: ScalarNode) -> Any:
        text, tag = str(node.value), str(node.tag).rpartition(":")[2]
        try:
            if tag == "null":
                return None
            if tag == "bool":
                return text.lower() == "true"
            if tag == "int":
                return _integer(text.replace("_", ""))
            if tag == "float":
                return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            self.wrong(node, f"{text[:40]!r} is not a number")
            return None
        return text


def _integer(text: str) -> int:
    body = text.lstrip("+-")
    if body[:2] in ("0x", "0o", "0b"):
        return int(text, 0)
    if len(body) > 18:
        raise ValueError("too large")
    return int(text)


def _is_cut(lines: list[str], node: Node) -> bool:
    """Whether a plain text with an open parenthesis ends at a comma."""
    if (
        not isinstance(node, ScalarNode)
        or node.style is not None
        or node.value.count("(") <= node.value.count(")")
    ):
        return False
    end = node.end_mark
    return end.line < len(lines) and str(lines[end.line][end.column :]).lstrip().startswith(",")


def _inside(lines: list[str], node: Node, offset: int) -> tuple[int, int]:
    """Line and column, from 0, of the character `offset` of a scalar's value.

    Folding changes only white space, so the place is found by counting the other characters.
    """
    line, column = node.start_mark.line, node.start_mark.column
    start = (line, column)
    if not isinstance(node, ScalarNode):
        return start
    if node.style in ("|", ">"):
        line, column = line + 1, 0
    elif node.style in ("'", '"'):
        column += 1
    text = "\n".join([lines[line][column:], *lines[line + 1 :]]) if line < len(lines) else ""
    if node.style == '"' and "\\" in text.partition('"')[0]:
        return start
    before = "".join(node.value[:offset].split())
    at_end = not node.value[offset:].strip()
    position = matched = 0
    while position < len(text) and (matched < len(before) or (not at_end and text[position].isspace())):
        matched += not text[position].isspace()
        position += 2 if node.style == "'" and text.startswith("''", position) else 1
    line += text.count("\n", 0, position)
    last = text.rfind("\n", 0, position)
    return (line, column + position) if last < 0 else (line, position - last - 1)
