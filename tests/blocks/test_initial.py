"""Initial weights: PyTorch's own numbers on a device, and nothing drawn on `meta`."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from blocks.initial import normal

PLANNED = """
import sys
from ablate.study.load import parse_study
from ablate.run.plan import plan
names = "key_only window aft neighbourhood gfnet softmax conv".split()
layouts = "".join(f"  {name}: {name}\\n" for name in names)
study = parse_study(f"layouts:\\n{layouts}measure: {{complexity: {{resolutions: [32]}}}}\\n")
assert len(plan(study)) == 7
assert "torch" in sys.modules
assert not {"torch._dynamo", "sympy"} & set(sys.modules)
"""


@pytest.mark.parametrize("shape", [(1,), (3, 5), (4, 1, 7, 7), (2, 13, 13), (100, 33)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_numbers_are_those_of_randn(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(3)
        expected = torch.randn(shape) * 0.02
        after = torch.rand(1)
        torch.manual_seed(3)
        assert torch.equal(normal(*shape, std=0.02), expected)
        assert torch.equal(torch.rand(1), after)
    finally:
        torch.set_default_dtype(before)


def test_on_meta_there_is_a_shape_and_no_number() -> None:
    with torch.device("meta"):
        weights = normal(3, 4, std=0.5)
    assert weights.is_meta
    assert weights.shape == (3, 4)


def test_a_plan_loads_no_compiler() -> None:
    subprocess.run([sys.executable, "-c", PLANNED], check=True)
