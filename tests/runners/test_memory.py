"""Measured memory against closed forms, and against the prediction, which never saw the device.

Tolerances: saved activations, gradients, optimizer state and weights agree exactly. Peaks may be larger than
the prediction, never smaller: a kernel may take memory from the allocator and give it back within one
operator, where the prediction cannot see it. Here these are the weights and their gradients in oneDNN's own
order, two copies of the largest weight at most, and scalars of the optimizer, under 1 KiB.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
import timm
import torch
from torch import nn

from ablate.cost.memory.trace import trace_memory
from ablate.cost.operators.kernel import Kernel
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.runners.memory import measure_memory

FLOAT = 4
WIDTHS = (192, 256, 64, 10)


def chain() -> nn.Module:
    """Linear layers 192 -> 256 -> 64 -> 10 on a 3 x 8 x 8 image."""
    return nn.Sequential(nn.Flatten(), *(nn.Linear(a, b) for a, b in pairwise(WIDTHS)))


@pytest.mark.parametrize("batch", [1, 7])
def test_inference_of_a_chain_holds_two_neighbours(batch: int):
    memory = measure_memory(chain(), 8, batch=batch)
    assert memory.peak == FLOAT * batch * (256 + 64)
    assert memory.weights == FLOAT * (193 * 256 + 257 * 64 + 65 * 10)
    assert (memory.gradients, memory.optimizer, memory.saved_activations) == (0, 0, None)
    assert memory.allocated_peak is None


@pytest.mark.parametrize("batch", [1, 7])
def test_training_of_a_chain_saves_every_output(batch: int):
    memory = measure_memory(chain(), 8, batch=batch, mode="training")
    assert memory.saved_activations == FLOAT * batch * (256 + 64 + 10)
    assert memory.gradients == memory.weights
    assert memory.optimizer == 2 * memory.weights + FLOAT * 6  # two moments, and a step counter for each of 6
    # AdamW's step: gradients, moments, and of the largest weight the denominator and its square root
    temporaries = memory.peak - memory.gradients - memory.optimizer
    assert 0 <= temporaries - 2 * 192 * 256 * FLOAT < 1024


def layout(mixer: str) -> Callable[[], nn.Module]:
    return lambda: Layout(f"alternate(conv, {mixer})", widths=(32, 64), depths=(2, 2)).build(10, 3)


def largest_weight(model: nn.Module) -> int:
    return max(parameter.numel() * FLOAT for parameter in model.parameters())


MODELS: dict[str, Callable[[], nn.Module]] = {
    "chain": chain,
    "key_only": layout("key_only"),
    "softmax": layout("softmax"),
    "resnet10t": lambda: timm.create_model("resnet10t", num_classes=10),
}
CASES: list[tuple[str, Kernel]] = [
    ("chain", "fused"),
    ("key_only", "fused"),
    ("softmax", "fused"),
    ("softmax", "math"),
    ("resnet10t", "fused"),
]


@pytest.mark.parametrize(("name", "kernel"), CASES)
def test_prediction_and_measurement_agree(name: str, kernel: Kernel):
    build, side, batch = MODELS[name], 8 if name == "chain" else 32, 2
    with torch.device("meta"):
        predicted = trace_memory(build(), torch.empty(batch, 3, side, side), kernel)
    inference = measure_memory(build(), side, batch=batch, kernel=kernel)
    training = measure_memory(build(), side, batch=batch, kernel=kernel, mode="training")
    assert training.saved_activations == predicted.saved_activations
    assert training.gradients == predicted.gradients
    assert training.optimizer == predicted.optimizer
    assert training.weights == predicted.weights
    packed = 2 * largest_weight(build()) if name != "chain" else 1024
    assert predicted.training_peak <= training.peak <= predicted.training_peak + packed
    assert predicted.inference_peak <= inference.peak <= predicted.inference_peak + packed


def test_the_explicit_kernel_stores_the_scores():
    fused = measure_memory(layout("softmax")(), 64, mode="training", kernel="fused")
    explicit = measure_memory(layout("softmax")(), 64, mode="training", kernel="math")
    scores = 256 * 256 * FLOAT  # a head of the first stage: 16 x 16 tokens
    assert fused.saved_activations is not None
    assert explicit.saved_activations is not None
    assert explicit.saved_activations - fused.saved_activations >= scores


def test_a_second_measurement_is_the_same():
    model = layout("key_only")()
    assert measure_memory(model, 32, mode="training") == measure_memory(model, 32, mode="training")


def test_what_cannot_be_measured():
    with pytest.raises(AblateError, match="mode"):
        measure_memory(chain(), 8, mode="sleep")
    with pytest.raises(AblateError, match="device"):
        measure_memory(chain(), 8, device="cuda:77")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_counts_requested_bytes():
    memory = measure_memory(chain(), 8, batch=7, device="cuda")
    assert memory.method == "allocator"
    assert memory.allocated_peak is not None
    assert FLOAT * 7 * (256 + 64) <= memory.peak <= memory.allocated_peak
