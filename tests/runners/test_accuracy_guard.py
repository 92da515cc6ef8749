import math

import pytest
import torch
from torch import nn

from ablate.errors import AblateError
from ablate.layout import Layout
from ablate.runners.accuracy_guard import guard, precision_error

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("layout", "side"),
    [
        (Layout("alternate(conv, key_only)", widths=[16, 32], depths=[2, 2], head_dim=8), 32),
        (Layout("timm:efficientnet_b0"), 28),  # batch norms of one value an image: rounding grows to 50 %
    ],
    ids=["hybrid", "efficientnet"],
)
def test_rounding_alone_is_accepted(layout: Layout, side: int):
    torch.manual_seed(0)
    pixels = torch.randn(8, 3, side, side)
    assert guard(layout.build(10, 3), pixels, CPU) > 0


class Half(nn.Module):
    """`wrong` times its value where it computes in bfloat16."""

    def __init__(self, wrong: float):
        super().__init__()
        self.wrong, self.head = wrong, nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(x.flatten(1))
        return out if out.dtype == torch.float32 else out * self.wrong


@pytest.mark.parametrize("wrong", [0.5, math.nan])
def test_more_than_rounding_is_refused(wrong: float):
    pixels = torch.randn(8, 3, 2, 2)
    with pytest.raises(AblateError, match="fp32"):
        guard(Half(wrong), pixels, CPU)
    assert precision_error(Half(1.0), pixels, CPU).bf16 < 0.02


def test_the_model_stays_as_it_is():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(12, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    precision_error(model, torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)), CPU)
    assert torch.equal(torch.rand(1), wanted)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
