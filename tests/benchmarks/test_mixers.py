"""The benchmark of mixers runs over every pair, and its verdict follows its ratios."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture
def mixers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    path = Path(__file__).parents[2] / "benchmarks" / "mixers.py"
    spec = importlib.util.spec_from_file_location("mixers_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mixers_benchmark", module)
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


def test_every_pair_is_timed_forward_and_in_a_step(mixers: Any) -> None:
    ratios = list(mixers.compare(sizes=[(14, 64)], rounds=2))
    assert [(r.mixer, r.mode) for r in ratios] == [
        (str(call), mode) for call, _ in mixers.CASES for mode in ("forward", "step")
    ]
    for ratio in ratios:
        assert 0 < ratio.low <= ratio.ratio <= ratio.high
        assert ratio.milliseconds > 0
    macs = {ratio.mixer: ratio.macs / ratio.counterpart_macs for ratio in ratios}
    assert macs["softmax"] == macs["sra"] == macs["window"] == macs["hsm_ssd"] == 1
    assert macs["xca"] == macs["convnext"] == 1
    assert 0.99 < macs["litemla(batch_norm=true, kernel=5)"] < 1  # timm gets the denominator from a product
    # timm sums over tokens with a product and a sum, which are element-wise work
    assert 1 < macs["additive"] < 1.01
    assert 1 < macs["separable"] < 1.01


def test_verdict_follows_the_ratios(
    mixers: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds, code, word in ((2.0, 1, "MISSED at 8 x 8"), (0.5, 0, "reached")):
        monkeypatch.setattr(mixers, "interleaved", lambda *_, s=seconds: (s, [s, s]))
        assert mixers.main(["--only", "key_only", "--sizes", "8x64"]) == code
        said = capsys.readouterr().out
        assert word in said
        assert "commit " in said


def test_unknown_mixer(mixers: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mixers.main(["--only", "kez_only"])
    assert "no such mixer; known: additive" in capsys.readouterr().err
