"""`ablate doctor`: facts of the machine, and a measured A/A test."""

import importlib.metadata
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from ablate.run.noise import Noise

Command = Callable[..., Any]


@pytest.mark.long
def test_the_machine_and_its_noise(ablate: Command) -> None:
    done = ablate("doctor", "--processes", "2", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["machine"]["cores"] == os.cpu_count()
    assert told["machine"]["torch"] == importlib.metadata.version("torch")
    assert told["noise"]["ratio_low"] <= told["noise"]["ratio"] <= told["noise"]["ratio_high"]
    assert told["noise"]["latency_ms"] > 0
    assert 0.05 < told["machine"]["bf16_over_fp32_training_time"] < 20


@pytest.mark.parametrize(("low", "apart"), [(0.98, False), (1.005, True)])
def test_a_difference_of_one_model_from_itself_is_called_wrong(low: float, apart: bool) -> None:
    noise = Noise(5, 2.0, 0.03, 1.01, low, 1.04, False)
    assert ("WRONGLY" in noise.in_words()) == apart
    assert noise.resolvable == pytest.approx(max(1.04 / 1.01, 1.01 / low) - 1)
