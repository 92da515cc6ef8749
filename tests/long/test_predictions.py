"""Every mixer on every diagnostic task, held against what theory predicts: ten minutes on one core.

Not part of the ordinary suite: `pytest -m long tests/long/test_predictions.py`. What the last run gave stands
in `results/diagnostics.csv`; predictions that failed there may fail here.
"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.long


def _benchmark() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "diagnostics.py"
    spec = importlib.util.spec_from_file_location("diagnostics_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = _benchmark()
RESULTS = Path(__file__).parents[2] / "results" / "diagnostics.csv"


def _failed() -> dict[tuple[str, str], str]:
    """Predictions that did not hold when they were last measured, and what was seen instead."""
    with RESULTS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    failed: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["held"] == "NO":
            text = (
                f"{row['difficulty']}: {row['top1']}, not {row['predicted_low']} to {row['predicted_high']}"
            )
            failed.setdefault((row["task"], row["mixer"]), []).append(text)
    return {pair: "; ".join(texts) for pair, texts in failed.items()}


FAILED = _failed()


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("mixer", BENCHMARK.MIXERS)
@pytest.mark.parametrize("task", list(BENCHMARK.TASKS))
def test_predictions(task: str, mixer: str, request: pytest.FixtureRequest):
    intervals = BENCHMARK.predicted(task, mixer)
    if not intervals:
        pytest.skip("theory has nothing to say")
    if (task, mixer) in FAILED:
        request.applymarker(pytest.mark.xfail(reason=FAILED[task, mixer], strict=False))
    scores = BENCHMARK.scores(BENCHMARK.measure(task, mixer))
    outside = {
        difficulty: (scores[difficulty], interval)
        for difficulty, interval in intervals.items()
        if not interval[0] <= scores[difficulty] <= interval[1]
    }
    assert not outside
