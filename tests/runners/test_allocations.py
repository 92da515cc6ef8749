"""Scratch against an operator whose scratch is known, and against what peaks have that no prediction sees."""

from collections.abc import Iterator

import pytest
import timm
import torch
from torch import Tensor, nn

from ablate.cost.memory.trace import trace_memory
from ablate.layout.layout import Layout
from ablate.measurements.memory import Scratch
from ablate.runners.allocations import Reading, meter
from ablate.runners.memory import measure_memory

FLOAT = 4
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def library() -> Iterator[torch.library.Library]:
    """Operators of which each takes a buffer for itself, as large as its argument says."""
    with torch.library._scoped_library("ablate_test", "DEF") as library:
        library.define("needs(Tensor x, int scratch) -> Tensor")
        library.define("composed(Tensor x) -> Tensor")

        def needs(x: Tensor, scratch: int) -> Tensor:
            buffer = torch.zeros(scratch)
            out = x + buffer.sum()
            del buffer
            return out

        library.impl("needs", needs, "CPU")
        library.impl("composed", lambda x: (x * 2) + 1, "CompositeImplicitAutograd")
        yield library


class Calls(nn.Module):
    """Calls one of the operators in a submodule of its own."""

    def __init__(self, scratch: int) -> None:
        super().__init__()
        self.before = nn.Identity()
        self.greedy = Needs(scratch)

    def forward(self, x: Tensor) -> Tensor:
        return self.greedy(self.before(x))


class Needs(nn.Module):
    def __init__(self, scratch: int) -> None:
        super().__init__()
        self.scratch = scratch

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.ablate_test.needs(x, self.scratch)


def read(module: nn.Module, x: Tensor) -> Reading:
    module(x)
    with torch.no_grad(), meter(module, CPU) as reading:
        out = module(x)
    assert out is not None
    return reading


@pytest.mark.parametrize("scratch", [1000, 50_000])
def test_what_an_operator_gives_back_is_its_scratch_and_has_its_place(scratch: int):
    reading = read(Calls(scratch), torch.zeros(300))
    assert reading.scratch is not None
    assert reading.peak == FLOAT * (scratch + 300 + 1)  # buffer, output, sum
    assert reading.scratch == Scratch(FLOAT * (scratch + 1), "ablate_test::needs", "greedy")
    assert reading.end == FLOAT * 300


def test_what_an_operator_returns_is_no_scratch():
    reading = read(nn.ReLU(), torch.zeros(300))
    assert (reading.peak, reading.scratch) == (FLOAT * 300, Scratch())


def test_what_a_composed_operator_holds_between_its_parts_is_no_scratch():
    class Composed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ops.ablate_test.composed(x)

    reading = read(Composed(), torch.zeros(300))
    assert reading.scratch is not None
    assert 0 <= reading.peak - FLOAT * 600 <= 16  # numbers become tensors
    assert reading.scratch.bytes <= 16


def test_a_buffer_away_from_the_peak_is_not_told():
    class Later(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            first = torch.ops.ablate_test.needs(x, 1000)
            return torch.zeros(9000) + first.sum()

    reading = read(Later(), torch.zeros(300))
    assert (reading.peak, reading.scratch) == (FLOAT * (300 + 9000 * 2 + 1), Scratch())


MODELS = {
    "7x7 depthwise": lambda: Layout("conv(kernel=7)", widths=(32, 64), depths=(1, 1)).build(10, 3),
    "3x3 depthwise": lambda: Layout("conv(kernel=3)", widths=(32, 64), depths=(1, 1)).build(10, 3),
    "key_only": lambda: Layout("key_only", widths=(32, 64), depths=(1, 1)).build(10, 3),
    "resnet10t": lambda: timm.create_model("resnet10t", num_classes=10),
    "pvt_v2_b0": lambda: timm.create_model("pvt_v2_b0", num_classes=10),
}


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", MODELS)
def test_the_scratch_is_what_the_prediction_lacks(name: str, mode: str):
    """The measured peak is above the predicted one by the scratch at most, and by scalars."""
    build = MODELS[name]
    with torch.device("meta"):
        memory = trace_memory(build(), torch.empty(2, 3, 64, 64))
    predicted = memory.inference_peak if mode == "inference" else memory.training_peak
    measured = measure_memory(build(), 64, batch=2, mode=mode)
    assert measured.scratch is not None
    assert predicted <= measured.peak <= predicted + measured.scratch.bytes + 1024


def test_a_backward_pass_knows_the_module_of_its_scratch():
    model = Layout("conv(kernel=7)", widths=(32, 64), depths=(1, 1)).build(10, 3)
    measured = measure_memory(model, 64, batch=2, mode="training")
    assert measured.scratch is not None
    assert measured.scratch.operator == "aten::convolution_backward"
    part = dict(model.named_modules())[measured.scratch.module]
    assert isinstance(part, nn.Conv2d)
    assert part.groups == part.in_channels > 1
