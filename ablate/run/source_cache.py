"""What was read of source files, kept between commands in the folder where Python keeps its byte code.

A text is known by its hash, so that a changed file is read anew; so is all of it when `reader`, the file that
does the reading, changes. A folder that cannot be written or a damaged file cost time alone.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

MOST = 5000
"""Texts that are kept; above it those that this command did not ask for are forgotten."""


class SourceCache:
    """Plain data by text."""

    def __init__(self, reader: Path):
        self.file = Path(cache_from_source(str(reader))).with_suffix(".texts.json")
        self.reader = _hash(reader.read_text(encoding="utf-8"))
        self.known = self._load()
        self.asked: set[str] = set()
        self.new = False

    def get(self, text: str) -> Any:
        """What was kept for a text; None where nothing was."""
        key = _hash(text)
        self.asked.add(key)
        return self.known.get(key)

    def keep(self, text: str, data: Any) -> None:
        """Keep plain data for a text; it is written when the process ends."""
        if not self.new and not sys.dont_write_bytecode:
            atexit.register(self.write)
        self.new = True
        self.known[_hash(text)] = data

    def write(self) -> None:
        """Replace the file whole."""
        if len(self.known) > MOST:
            self.known = {key: data for key, data in self.known.items() if key in self.asked}
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):
            part.write_text(json.dumps({"reader": self.reader, "texts": self.known}))
            os.replace(part, self.file)

    def _load(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(self.file.read_text())
            if stored["reader"] == self.reader:
                return dict(stored["texts"])
        return {}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
