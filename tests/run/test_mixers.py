"""What a study's parts say about themselves is in its ledger before anything is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.report.results import Results
from ablate.report.tables.mixers import mixers_table
from ablate.run.execute import study_fact
from ablate.run.executors.base import Setup, make_executor
from ablate.run.facts import MixerFact
from ablate.run.keyed_facts import FormulaFact, FormulaRecord
from ablate.run.ledger import Ledger
from ablate.run.mixers import caveats, keep_mixers
from ablate.study.study import Study

STUDY = """\
study: mixers
input: {resolution: 64, channels: 1, classes: 10}
defaults: {widths: [16, 32], depths: [2, 2], head_dim: 8, stem: patchify}
layouts:
  hybrid: alternate(conv, key_only)
  plain: alternate(conv, softmax)
  split: parallel(of=[conv, key_only])
  resnet: timm:resnet18
measure: {complexity: {resolutions: [64]}}
"""


def study(folder: Path, text: str = STUDY) -> Study:
    file = folder / "study.yaml"
    file.write_text(text)
    return ablate.load_study(file)


def test_caveats_come_from_the_blocks_and_from_their_arguments(tmp_path: Path) -> None:
    expected = ("key_only: a reconstruction from the abstract of arXiv 2207.00188, not the authors' code.",)
    assert caveats(study(tmp_path)) == expected
    assert study_fact(study(tmp_path)).caveats == expected
    within = "\n".join(line for line in STUDY.splitlines() if "hybrid" not in line)
    assert caveats(study(tmp_path, within)) == expected
    assert caveats(study(tmp_path, within.replace("key_only", "softmax"))) == ()


def mixer_fact(known: Study, folder: Path) -> MixerFact:
    """What a run keeps of the mixers; kept once, it is left alone."""
    with Ledger(folder / "ledger.sqlite") as ledger:
        with make_executor("local", Setup(1, None, folder, {})) as executor:
            keep_mixers(known, ledger, executor, known.layouts)
        keep_mixers(known, ledger, NoExecutor(), known.layouts)  # type: ignore[arg-type]
        fact = ledger.read(MixerFact)
    assert fact is not None
    return fact


class NoExecutor:
    """Runs nothing."""


def test_sizes_are_those_of_the_stages(tmp_path: Path) -> None:
    """A 64 px image has 16 x 16 and 8 x 8 positions behind strides 4 and 8."""
    fact = mixer_fact(study(tmp_path), tmp_path)
    assert MixerFact.from_json(fact.to_json()) == fact
    sizes = {row.block: (row.layouts, row.stages, row.sizes) for row in fact.rows}
    assert sizes["softmax"] == (("plain",), (1, 2), (2 * 256 * 16, 2 * 64 * 32))
    assert sizes["key_only"] == (("hybrid",), (1, 2), (16, 32))
    assert sizes["conv"] == (("hybrid", "plain"), (1, 2), (0, 0))
    assert "resnet" not in str(sizes)


def test_the_table_shows_them(tmp_path: Path) -> None:
    known = study(tmp_path)
    facts = [mixer_fact(known, tmp_path), FormulaFact((FormulaRecord("softmax", order="O(N^2)"),))]
    table = mixers_table(Results([], study_fact(known), facts))
    assert table is not None
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["softmax"] == ["softmax attention", "O(N^2)", "1: 8,192; 2: 4,096", "plain"]
    assert rows["conv"] == ["convolution", "–", "0", "hybrid, plain"]
    assert len(table.raw) == 2 * len(table.rows)
    assert table.notes[0].startswith("key_only: a reconstruction")
    assert mixers_table(Results([], study_fact(known))) is None


STEMS = '''
import os

from torch import nn

import blocks


@blocks.register("stem", "exits")
class Exits(nn.Module):
    """Ends the process that sends an image through it."""

    def __init__(self, in_chans: int, dim: int, *, stride: int = 4):
        super().__init__()
        self.conv = nn.Conv2d(in_chans, dim, stride, stride)

    def forward(self, x):
        os._exit(0)


@blocks.register("mixer", "unsummed")
class Unsummed(nn.Module):
    """Ends the process that asks how much it keeps."""

    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return self.proj(x)

    @staticmethod
    def summary_size(dim, num_heads, tokens):
        os._exit(0)
'''


@pytest.mark.parametrize(
    ("layout", "code", "known"),
    [("{layout: conv, stem: exits}", 1, {"softmax"}), ("unsummed", 0, {"softmax"})],
)
def test_what_parts_of_a_user_do_costs_no_run(
    ablate: Callable[..., Any], tmp_path: Path, layout: str, code: int, known: set[str]
) -> None:
    (tmp_path / "stems.py").write_text(STEMS)
    file = tmp_path / "s.yaml"
    file.write_text(
        "blocks: [stems.py]\ninput: {resolution: 16}\ndefaults: {widths: 8, depths: 1}\n"
        f"layouts:\n  whole: softmax\n  other: {layout}\nmeasure: {{complexity: {{}}}}\n"
    )
    out = tmp_path / "out"
    assert ablate("run", file, "--out", out).code == code
    assert (out / "report.html").is_file()
    with Ledger(out / "ledger.sqlite", read_only=True) as ledger:
        fact = ledger.read(MixerFact)
    assert fact is not None
    assert {row.block for row in fact.rows} == known
