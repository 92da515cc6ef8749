"""The benchmark runs, its tools agree, and it says so when they do not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture
def counting() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "counting.py"
    spec = importlib.util.spec_from_file_location("counting_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    module.RESOLUTIONS = (32, 64)  # type: ignore[attr-defined]
    yield module
    torch.set_num_threads(threads)


def test_rates_stand_beside_equal_answers(counting: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert counting.main(["--layouts", "3", "--sample", "2"]) == 0
    said = capsys.readouterr().out
    for words in (
        "commit ",
        "torch ",
        "ablate, cold",
        "ablate, warm",
        "fvcore",
        "FlopCounterMode",
        "goal, warm",
    ):
        assert words in said


def test_no_rate_where_answers_differ(
    counting: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(counting.TOOLS, "fvcore", lambda model, x: 1)
    assert counting.main(["--layouts", "2", "--sample", "1"]) == 1
    said = capsys.readouterr().out
    assert "answers differ" in said
    assert "goal" not in said


def test_layouts_are_the_same_for_the_same_seed(counting: Any) -> None:
    first, again, other = (counting.random_layouts(5, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert all(width % 16 == 0 for layout in first for width in layout.widths)
