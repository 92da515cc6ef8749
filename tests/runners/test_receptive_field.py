import json

import pytest
import torch
from torch import nn

from ablate.data import load
from ablate.errors import AblateError
from ablate.layout import Layout
from ablate.runners.accuracy import AccuracyProtocol
from ablate.runners.receptive_field import (
    ReceptiveFieldValues,
    area_share,
    fields,
    gradients,
    measure_receptive_field,
    stage_maps,
)
from ablate.runners.token_head import network_for

PLAIN = {"stem": "patchify(stride=1)", "widths": [8], "heads": [2], "mlp_ratio": 1, "ffn": "mlp"}


def network(mixer: str, depth: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return Layout(mixer, depths=[depth], **PLAIN).build(10, 3)


def touched(mixer: str, depth: int = 1, side: int = 15) -> torch.Tensor:
    x = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
    return gradients(network(mixer, depth), x)[-1] > 0


@pytest.mark.parametrize(("depth", "reach"), [(1, 1), (3, 3)])
def test_a_convolution_reaches_as_far_as_its_kernels(depth: int, reach: int):
    wanted = torch.zeros(15, 15, dtype=torch.bool)
    wanted[7 - reach : 8 + reach, 7 - reach : 8 + reach] = True
    assert all(torch.equal(image, wanted) for image in touched("conv", depth))


def test_attention_reaches_all_and_a_window_its_own():
    assert bool(touched("softmax").all())
    window = touched("window(size=5)")
    assert bool(window[:, 5:10, 5:10].all())
    assert int(window[0].sum()) == 25
    assert bool(touched("key_only").all())  # its first head is global
    assert int(touched("identity")[0].sum()) == 1


def test_gradients_are_finite_differences():
    torch.manual_seed(0)
    model = network("conv").double()
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    (magnitude,) = gradients(model, x, seed=3)
    direction = torch.randn(1, 8, generator=torch.Generator().manual_seed(3)).double()

    def value(image: torch.Tensor) -> float:
        with torch.no_grad():
            return float((stage_maps(model, image)[0][:, :, 2, 2] * direction).sum())

    for row, column in ((2, 2), (1, 3), (0, 0)):
        slope = 0.0
        for channel in range(3):
            step = torch.zeros_like(x)
            step[0, channel, row, column] = 1e-5
            slope += abs(value(x + step) - value(x - step)) / 2e-5
        assert float(magnitude[0, row, column]) == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_shares_of_known_maps():
    even = torch.ones(1, 10, 10)
    assert float(area_share(even, 0.5)) == pytest.approx(0.5)
    assert float(area_share(even, 0.95)) == pytest.approx(0.95)
    spot = torch.zeros(2, 10, 10)
    spot[0, 3, 4] = 7.0
    assert area_share(spot, 0.95).tolist() == pytest.approx([0.01, 0.0])
    steps = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    assert float(area_share(steps, 0.5)) == pytest.approx(0.5)  # 4 + 3 of 10; 4 alone is too little
    assert float(area_share(steps, 0.4)) == pytest.approx(0.25)


def test_a_gaussian_field_has_the_share_that_the_formula_gives():
    """Inside radius r lies 1 - exp(-r^2 / 2 s^2) of it: half at r = s sqrt(2 ln 2), an area of pi r^2."""
    side, sigma = 201, 20.0
    axis = torch.arange(side).double() - 100
    gaussian = torch.exp(-(axis.square().view(-1, 1) + axis.square()) / (2 * sigma**2))
    wanted = 2 * torch.pi * sigma**2 * torch.log(torch.tensor(2.0)) / side**2
    assert float(area_share(gaussian[None], 0.5)) == pytest.approx(float(wanted), rel=0.01)


def test_before_and_after_training():
    digits = load("digits")
    layout = Layout("conv", **{**PLAIN, "widths": [8, 16], "depths": [1, 1], "heads": [2, 2]})
    result = measure_receptive_field(
        lambda: network_for(layout, digits), digits, AccuracyProtocol(epochs=0.5), images=6
    )
    assert result.after is not None
    assert [stage.stage for stage in result.before] == [stage.stage for stage in result.after] == [1, 2]
    first, second = result.before
    assert first.half.mean < second.half.mean
    assert first.most.low is not None
    assert first.most.low <= first.most.mean
    assert sum(map(sum, second.picture)) == pytest.approx(1)
    assert result.after[1].half.mean != second.half.mean
    assert result.top1 is not None
    assert ReceptiveFieldValues.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_pictures_are_small_and_timm_has_stages():
    stages = fields(Layout("timm:resnet10t").build(10, 3), torch.randn(2, 3, 96, 96))
    assert len(stages) >= 4
    assert len(stages[-1].picture) == len(stages[-1].picture[0]) == 64
    assert sum(map(sum, stages[-1].picture)) == pytest.approx(1)
    assert stages[-1].most.mean > stages[0].most.mean


def test_a_network_without_stages_is_refused():
    with pytest.raises(AblateError, match="Sequential does not tell its stages apart"):
        fields(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.randn(1, 3, 8, 8))
