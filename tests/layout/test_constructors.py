"""Constructors of a user are called in another process: what they do there is a mistake with a place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

FILE = '''
import os
import sys

import torch
from torch import nn

import blocks


@blocks.register("mixer", "moody")
class Moody(nn.Module):
    """Does in its constructor what it is told to."""

    def __init__(self, dim: int, *, does: str = "nothing"):
        super().__init__()
        match does:
            case "exit":
                os._exit(0)
            case "quit":
                sys.exit(0)
            case "dtype":
                torch.set_default_dtype(torch.float64)
            case "refuse":
                raise ValueError(f"does is {does}")
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return self.proj(x)
'''
STUDY = """\
blocks: [moody.py]
input: {{resolution: 16}}
layouts:
  a: {{layout: conv, widths: 8, depths: 1}}
  b: {{layout: "{layout}", widths: 8, depths: 1}}
measure: {{complexity: {{resolutions: [16]}}}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Callable[[str], Path]:
    def write(layout: str) -> Path:
        (tmp_path / "moody.py").write_text(FILE)
        file = tmp_path / "s.yaml"
        file.write_text(STUDY.format(layout=layout))
        return file

    return write


@pytest.mark.parametrize(
    ("layout", "place", "told"),
    [
        ("moody(does=exit)", "5:16", "moody: cannot be built: it ends the process with exit code 0"),
        ("moody(does=quit)", "5:16", "moody: cannot be built: it ends the process (SystemExit: 0)"),
        ("parallel(of=[conv, moody(does=exit)])", "5:35", "it ends the process with exit code 0"),
        ("moody(does=refuse)", "5:27", "moody: does is refuse"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_its_end_is_a_mistake_with_a_place(
    ablate: Callable[..., Any], study: Callable[[str], Path], command: str, layout: str, place: str, told: str
) -> None:
    ended = ablate(command, study(layout))
    assert ended.code == 2
    assert f"s.yaml:{place}: " in ended.err
    assert told in ended.err


def test_what_it_changes_is_not_changed_here(
    ablate: Callable[..., Any], study: Callable[[str], Path], tmp_path: Path
) -> None:
    assert ablate("check", study("moody(does=dtype)")).code == 0
    assert torch.get_default_dtype() == torch.float32
