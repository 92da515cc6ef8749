"""Where a training run keeps what it has, so that a killed one goes on from there with the same result."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass
class Checkpoint:
    """A folder that holds one run's state at a time, written at most every `every_s` seconds.

    The file is replaced by an atomic rename, so that a kill while it is written leaves the one before. A
    state is used only by the run that `run` describes; anything else in the file is as good as nothing.
    """

    folder: Path
    every_s: float = 60.0
    run: str = ""
    written: float = field(default_factory=time.monotonic)

    def of(self, *description: object) -> Checkpoint:
        """The same folder for one run, told apart from others by a hash of its description."""
        text = json.dumps(description, default=str, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return Checkpoint(self.folder, self.every_s, digest)

    @property
    def file(self) -> Path:
        return self.folder / f"{self.run}.pt"

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self.written >= self.every_s

    def save(self, state: dict[str, Any]) -> None:
        """Write a state of tensors, numbers, strings, lists and dictionaries."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(f".{os.getpid()}.part")
        torch.save(state, part)
        part.replace(self.file)
        self.written = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last, or `None` where there is none that can be read."""
        if not self.file.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception:  # a file that a full disk or another version left is no reason not to train
            return None
        return state

    def clear(self) -> None:
        """Forget this run; the folder goes when nothing else is in it."""
        self.file.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
