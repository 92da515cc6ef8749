"""Predicted memory against PyTorch's own tracker and against real runs on the CPU, to the byte."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils._python_dispatch import TorchDispatchMode

import blocks
from ablate import Layout
from ablate.cost import attention_kernel, layout_cost, trace_memory
from ablate.cost.memory.trace import adamw, module_tensors, storage_bytes
from ablate.cost.operators.classes import tensors
from ablate.cost.operators.faithful import execute
from ablate.model import build

VARIANTS = ("key_only(gate=global)", "key_only(gate=decay)", "window(size=4, shift=true)")
NAMES = (*blocks.names("mixer", "block"), *VARIANTS)


def small(text: str, **settings) -> Layout:
    return Layout(text, widths=(16, 24), depths=(1, 2), head_dim=8, **settings)


@pytest.mark.parametrize("kernel", ["fused", "math"])
@pytest.mark.parametrize("name", NAMES)
def test_prediction_equals_a_real_run_on_the_cpu(name: str, kernel: str) -> None:
    layout = small(name, ffn="conv" if "key" in name else "mlp")
    predicted = layout_cost(layout, (32, 36), batch=2, classes=10).memory_of(kernel)
    image = torch.zeros(2, 3, 32, 36).to(memory_format=torch.channels_last)
    assert predicted == trace_memory(build(layout, classes=10), image, kernel)


@pytest.mark.parametrize(
    ("name", "options", "kernel"),
    [
        ("resnet18", {}, "fused"),
        ("pvt_v2_b0", {}, "fused"),
        ("pvt_v2_b0", {}, "math"),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3}, "fused"),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3}, "math"),
    ],
)
def test_prediction_equals_pytorchs_tracker_on_the_cpu(name: str, options: dict, kernel: str) -> None:
    with torch.device("meta"):
        predicted = trace_memory(
            timm.create_model(name, num_classes=10, **options), torch.zeros(2, 3, 64, 64), kernel
        )
    model = timm.create_model(name, num_classes=10, **options)
    image, target = torch.zeros(2, 3, 64, 64), torch.zeros(2, dtype=torch.long)
    optimizer = adamw(model.parameters())

    def step() -> None:
        loss = F.cross_entropy(model(image), target)
        loss.backward()
        optimizer.step()

    with attention_kernel(kernel):
        step()  # the first step makes the optimizer's state
        optimizer.zero_grad(set_to_none=True)
        tracker = MemTracker()
        tracker.track_external(model, image, target, optimizer)
        with tracker:
            step()
    peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    assert peak - storage_bytes([*module_tensors(model), image, target]) == predicted.training_peak


class Log(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, list]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = execute(func, args, kwargs or {})
        layouts = [
            [(size, step) for size, step in zip(t.shape, t.stride(), strict=True) if size > 1]
            for t in tensors(out)
        ]
        self.lines.append((str(func), layouts))
        return out


@pytest.mark.parametrize("name", ["pvt_v2_b0", "mobilenetv3_small_100", "edgenext_xx_small"])
@pytest.mark.parametrize("training", [False, True])
def test_operators_on_meta_are_those_of_the_cpu(name: str, training: bool) -> None:
    logs = []
    for device in ("meta", "cpu"):
        with torch.device(device):
            model = timm.create_model(name, num_classes=10).train(training)
            image = torch.zeros(2, 3, 64, 64)
        with torch.set_grad_enabled(training), attention_kernel("fused"), Log() as log:
            out = model(image)
            if training:
                out.sum().backward()
        logs.append(log.lines)
    assert logs[0] == logs[1]


def test_scores_are_saved_by_math_and_not_by_fused_attention() -> None:
    cost = layout_cost(small("softmax"), 128)
    fused, math = cost.memory_of("fused"), cost.memory_of("math")
    n, heads = [32 * 32, 16 * 16], [2, 3]
    scores = 4 * (heads[0] * n[0] ** 2 + 2 * heads[1] * n[1] ** 2)
    assert math.saved_activations - fused.saved_activations > 0.9 * scores
    assert fused.saved_activations < scores
    assert (fused.weights, fused.gradients, fused.optimizer) == (math.weights, math.gradients, math.optimizer)


def test_weights_gradients_and_state_of_adamw() -> None:
    layout = small("conv")
    cost = layout_cost(layout, 32, classes=10)
    tensors_with_weights = len(list(build(layout, classes=10).parameters()))
    assert cost.memory["weights"] == cost.memory["gradients"] == 4 * cost.params
    assert cost.memory["optimizer"] == 2 * 4 * cost.params + 4 * tensors_with_weights


def test_a_chain_by_hand() -> None:
    """Two pointwise layers and a loss: everything can be written down."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1, bias=False)
            self.fc = nn.Linear(4 * 16, 5, bias=False)

        def forward(self, x):
            return self.fc(self.conv(x).relu().flatten(1))

    with torch.device("meta"):
        memory = trace_memory(Net(), torch.zeros(2, 3, 4, 4))
    maps, logits = 4 * 2 * 4 * 16, 4 * 2 * 5
    assert memory.weights == memory.gradients == 4 * (12 + 320)
    assert memory.inference_peak == 2 * maps
    assert memory.saved_activations == maps + logits  # relu's output serves relu and the linear layer
