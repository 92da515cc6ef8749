"""Whether a layout computes in bfloat16 what it computes in float32, asked once before it is trained."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ablate.errors import AblateError
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels
from ablate.runners.diverged import Diverged

TOLERANCE = 0.1
"""Error of a layout's first logits in bfloat16 that is always accepted: bfloat16 rounds by 0.4 %, layouts of
this project and timm's transformers were seen at 0.6 to 1.8 %, wrong sums at 50 % and more."""
SENSITIVITY = 4.0
"""How many times the error that rounding alone makes is accepted too: batch norms of few values amplify any
rounding (EfficientNet-B0 at 28 pixels: 50 %)."""
IMAGES = 16


@dataclass(frozen=True)
class PrecisionError:
    """Relative errors of the first logits against float32, about their mean: `bf16` as training computes,
    `rounded` in float32 with weights and images rounded to bfloat16."""

    bf16: float
    rounded: float

    @property
    def accepted(self) -> bool:
        """Whether rounding explains the error; NaN is not explained."""
        return self.bf16 <= max(TOLERANCE, SENSITIVITY * self.rounded)


def precision_error(model: nn.Module, pixels: Tensor, device: torch.device) -> PrecisionError:
    """Errors on one batch of the network's input, of which the first 16 images are used.

    Copies of the model are judged, in the mode that it is in, with the same random numbers every time.
    Raises `Diverged` when its outputs in float32 are not finite.
    """
    sample = pixels[:IMAGES]
    exact = _logits(model, sample, "fp32", device)
    if not exact.isfinite().all():
        raise Diverged("the first outputs are not finite, in fp32 either,", 0)
    half = _logits(model, sample, "bf16", device)
    rounded = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in rounded.parameters():
            tensor.copy_(tensor.bfloat16())
    nearby = _logits(rounded, sample.bfloat16().to(sample.dtype), "fp32", device)
    scale = max(float((exact - exact.mean()).norm()), torch.finfo(torch.float32).tiny)
    return PrecisionError(float((half - exact).norm()) / scale, float((nearby - exact).norm()) / scale)


def _logits(model: nn.Module, pixels: Tensor, precision: str, device: torch.device) -> Tensor:
    judged = copy.deepcopy(model)  # batch norms take notes
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        with devices.autocast(precision, device), training_kernels(precision, device):
            output: Tensor = judged(pixels)
    return output.double()


def guard(model: nn.Module, pixels: Tensor, device: torch.device) -> float:
    """The error in bfloat16, if rounding explains it. Raises `AblateError` that says what to do otherwise."""
    error = precision_error(model, pixels, device)
    if not error.accepted:
        raise AblateError(
            f"in bf16 the first outputs differ from fp32 by {100 * error.bf16:.0f} %, rounding explains "
            f"{100 * max(TOLERANCE, error.rounded):.0f} %: a kernel of this device is wrong for this layout; "
            "train it with precision: fp32"
        )
    return error.bf16
