"""The predicted memory of any module that can be counted: also of one that cannot be copied."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ablate.cost.count import initialise, on_twin, unwrapped
from ablate.cost.inputs import Call, Resolution, image_size
from ablate.cost.memory.trace import Memory, trace_memory
from ablate.cost.operators.kernel import Kernel
from ablate.errors import AblateError, first_line


@dataclass(frozen=True)
class Prediction:
    """Bytes, and where they come from: "meta", or "cpu" where the module had to be run on real data."""

    memory: Memory
    ran_on: str


def predict_memory(
    module: nn.Module,
    resolution: Resolution = 224,
    *,
    channels: int = 3,
    batch: int = 1,
    kernel: Kernel = "fused",
) -> Prediction:
    """Memory of inference and of a training step (AdamW) on images (batch, channels, H, W).

    As in `count`, the module is left as it is, also where it cannot be copied, and runs on the CPU where
    `meta` cannot. Raises `AblateError` when it cannot be run or trained at all.
    """
    module = unwrapped(module)
    call = Call.of(None, (batch, channels, *image_size(resolution)))

    def predict(twin: nn.Module, device: str, dtype: torch.dtype) -> Prediction:
        if any(map(is_lazy, (*twin.parameters(), *twin.buffers()))):
            initialise(twin, call, device, dtype)
        (image,), _ = call.make(device, dtype)
        return Prediction(trace_memory(twin, image, kernel), device)

    try:
        return on_twin(module, predict)
    except Exception as refused:  # a user's module raises what it likes
        raise AblateError(
            f"the memory of {type(module).__name__} on {call.text} cannot be predicted: {first_line(refused)}"
        ) from refused
