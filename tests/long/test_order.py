"""Results depend on no order and on no number of workers, even where a block changes its process's state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.run.execute import run_study
from ablate.run.executors.base import Setup
from ablate.run.executors.local import LocalExecutor
from ablate.run.ledger import Ledger
from ablate.run.rows import AnyRecord
from ablate.study.load import load_study

pytestmark = pytest.mark.long

STUDY = """
input: {{resolution: 8, channels: 1, classes: 10}}
defaults: {{stem: overlap(stride=2), widths: [8, 16], depths: [1, 1]}}
extensions: [rude.py]
layouts: {{{layouts}}}
measure:
  complexity: {{resolutions: [8]}}
  accuracy: {{dataset: digits, resolution: 8, epochs: 1, subset: 64, seeds: 1, batch: 32, precision: fp32}}
"""
RUDE = """
import random, threading
import torch
from torch import nn
import blocks

@blocks.register("mixer", "rude")
class Rude(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(1)
        random.seed(2)
        return self.proj(x)
"""
LAYOUTS = {"a": "conv", "b": "rude", "c": "softmax"}
Numbers = dict[tuple[str, str, str], float | str]


def numbers(folder: Path, names: str, workers: int) -> Numbers:
    folder.mkdir()
    (folder / "rude.py").write_text(RUDE)
    layouts = ", ".join(f"{name}: {LAYOUTS[name]}" for name in names)
    (folder / "study.yaml").write_text(STUDY.format(layouts=layouts))
    with LocalExecutor(Setup(workers=workers)) as executor, Ledger(folder / "ledger.sqlite") as ledger:
        run_study(load_study(folder / "study.yaml"), ledger, executor)
        return {
            (record.layout, record.kind, str(record.condition)): result(record) for record in ledger.records()
        }


def result(record: AnyRecord) -> float | str:
    if record.values is None:
        assert record.layout == "b", f"{record.layout}: {record.reason}"  # what it does may hurt itself
        return record.status
    return record.values.macs if record.kind == "complexity" else record.values.top1


def test_forwards_backwards_and_alone(tmp_path: Path, fresh_blocks: Callable[[], None]) -> None:
    forwards = numbers(tmp_path / "forwards", "abc", workers=1)
    fresh_blocks()
    assert numbers(tmp_path / "backwards", "cba", workers=2) == forwards
    alone: Numbers = {}
    for name in LAYOUTS:
        fresh_blocks()
        alone |= numbers(tmp_path / name, name, workers=1)
    assert alone == forwards
