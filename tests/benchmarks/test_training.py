"""The benchmarks of training run, and their predictions are what the papers' arithmetic says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch


def benchmark(name: str) -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_muons_are_timed_on_the_networks_matrices():
    least = benchmark("training").muon_steps(rounds=2)
    assert list(least) == ["ours", "torch.optim (flattened)", "timm.optim"]
    assert all(0 < milliseconds < 10_000 for milliseconds in least.values())


def test_products_are_timed_in_both_precisions():
    rates = benchmark("training").products(rounds=2)
    assert list(rates) == ["float32", "bfloat16"]
    assert all(rate > 0 for rate in rates.values())


def test_a_window_sees_what_theory_says():
    """In a row that windows of 7 divide, 6 of 7 tokens have their neighbour inside: 6/7 + 1/42 of answers."""
    diagnostics = benchmark("diagnostics")
    low, high = diagnostics.predicted("reach", "window(size=7)")["d=1"]
    seen = (6 + 6 + 1) / 15  # windows begin at columns 0, 7 and 14 of 16
    assert (low + high) / 2 == pytest.approx(100 * (seen + (1 - seen) / 6))
    assert diagnostics._seen_in_window(14, 7) == pytest.approx((49 - 1) / (14**2 - 1))
    assert diagnostics._seen_nearby(3, 5) == 1


def test_a_run_is_held_against_its_prediction(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    diagnostics = benchmark("diagnostics")
    diagnostics.TASKS["position"] = diagnostics.Task("position(test_images=300)", 64)
    out = tmp_path / "scores.csv"
    assert diagnostics.main(["--tasks", "position", "--mixers", "identity", "--out", str(out)]) == 0
    lines = out.read_text().splitlines()
    assert lines[1].startswith("task,mixer,difficulty,top1")
    assert lines[2].startswith("position,identity,all,")
    assert lines[2].split(",")[6] in ("yes", "NO")
    assert "predictions failed" in capsys.readouterr().out
