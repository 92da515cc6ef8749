"""The predicted memory of any module that can be counted: also of one that cannot be copied."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.parameter import is_lazy

from ablate.cost.count import as_before, initialise, unwrapped
from ablate.cost.inputs import Call, Resolution, image_dtypes, image_size
from ablate.cost.memory.trace import Memory, trace_memory
from ablate.cost.operators.kernel import Kernel
from ablate.cost.operators.replica import stand_in
from ablate.errors import AblateError


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
    without_data = any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))
    refused: Exception | None = None
    for device in ("meta",) if without_data else ("meta", "cpu"):
        refused = None
        for dtype in image_dtypes(module):
            try:
                with as_before(), stand_in(module, device) as twin:
                    if any(map(is_lazy, (*twin.parameters(), *twin.buffers()))):
                        initialise(twin, call, device, dtype)
                    (image,), _ = call.make(device, dtype)
                    return Prediction(trace_memory(twin, image, kernel), device)
            except Exception as error:  # a user's module raises what it likes
                refused = refused or error
    first = (str(refused).strip() or type(refused).__name__).splitlines()[0]
    raise AblateError(f"the memory of {type(module).__name__} on {call.text} cannot be predicted: {first}")
