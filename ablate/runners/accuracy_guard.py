"""Whether a layout computes in bfloat16 what it computes in float32, asked once before it is trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ablate.errors import AblateError
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels

TOLERANCE = 0.1
"""Largest accepted error of a layout's first logits in bfloat16: bfloat16 rounds by 0.4 %, layouts of tens of
blocks were seen at 1 to 3 %, wrong sums at 50 % and more."""
IMAGES = 16


def precision_error(model: nn.Module, pixels: Tensor, device: torch.device) -> float:
    """Relative error of the logits in bfloat16 autocast: ||y16 - y32|| / ||y32||, about their mean.

    A copy of the model is judged, in training mode as it will be trained, with the same random numbers on
    both sides; `pixels` is one batch of its input, of which the first 16 images are used.
    """
    sample = pixels[:IMAGES]
    outputs = []
    for precision in ("fp32", "bf16"):
        judged = copy.deepcopy(model)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            with devices.autocast(precision, device), training_kernels(precision, device):
                outputs.append(judged(sample).double())
    exact, rounded = outputs
    scale = float((exact - exact.mean()).norm())
    return float((rounded - exact).norm()) / scale if scale > 0 else 0.0


def guard(model: nn.Module, pixels: Tensor, device: torch.device) -> float:
    """The error, if it is small enough to train on. Raises `AblateError` that says what to do otherwise."""
    error = precision_error(model, pixels, device)
    if not error <= TOLERANCE:  # NaN is not
        raise AblateError(
            f"in bf16 the first outputs differ from fp32 by {100 * error:.0f} %, where rounding explains "
            f"{100 * TOLERANCE:.0f} % at most: a kernel of this device is wrong for this layout; "
            "train it with precision: fp32"
        )
    return error
