"""What was read once is known to the next process, and nothing else is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ablate.run import source_cache
from ablate.run.source_cache import SourceCache


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    file = tmp_path / "reader.py"
    file.write_text("x = 1")
    (tmp_path / "__pycache__").mkdir()
    return file


def test_the_next_process_knows_it(reader: Path) -> None:
    first = SourceCache(reader)
    assert first.get("text") is None
    first.keep("text", ["hash", []])
    first.write()
    assert SourceCache(reader).get("text") == ["hash", []]
    assert SourceCache(reader).get("text ") is None


def test_another_reader_reads_anew(reader: Path) -> None:
    first = SourceCache(reader)
    first.keep("text", 1)
    first.write()
    reader.write_text("x = 2")
    assert SourceCache(reader).get("text") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"reader": 1}', b"\xff", "null"])
def test_a_damaged_file_is_as_none(reader: Path, content: str | bytes) -> None:
    first = SourceCache(reader)
    first.file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert SourceCache(reader).get("text") is None
    stored = {"reader": first.reader, "texts": ["not", "a", "mapping"]}
    first.file.write_text(json.dumps(stored))
    assert SourceCache(reader).known == {}


def test_where_nothing_can_be_written_nothing_is(tmp_path: Path) -> None:
    file = tmp_path / "reader.py"
    file.write_text("x = 1")  # its folder has no __pycache__
    cache = SourceCache(file)
    cache.keep("text", 1)
    cache.write()
    assert list(tmp_path.iterdir()) == [file]


def test_it_does_not_grow_without_bound(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_cache, "MOST", 3)
    first = SourceCache(reader)
    for text in "abc":
        first.keep(text, text)
    first.write()
    second = SourceCache(reader)
    assert second.get("a") == "a"
    assert second.get("d") is None
    second.keep("d", "d")
    second.write()
    assert set(SourceCache(reader).known.values()) == {"a", "d"}


def test_without_byte_code_nothing_is_written(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    monkeypatch.setattr(source_cache.atexit, "register", written.append)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    SourceCache(reader).keep("text", 1)
    assert not written
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    SourceCache(reader).keep("text", 1)
    assert len(written) == 1
