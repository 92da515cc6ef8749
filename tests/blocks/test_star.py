"""The star operation against timm's StarNet block and a plain composition."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.starnet import Block

from ablate.cost import count
from blocks.star import StarMixer

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


def effective(block):
    """timm's block has biases before its batch norms; where ours has none they are zero there."""
    twin = Block(6, mlp_ratio=3).double()
    names = {"before": "dwconv", "after": "dwconv2"}
    state = twin.state_dict()
    for key in ("dwconv.conv.bias", "g.conv.bias"):
        state[key] = torch.zeros_like(state[key])
    for key, value in block.state_dict().items():
        module, _, leaf = key.partition(".")
        head, _, tail = leaf.partition(".")
        leaf = f"conv.{leaf}" if not tail else f"{('conv', 'bn')[int(head)]}.{tail}"
        state[f"{names.get(module, module)}.{leaf}"] = value
    twin.load_state_dict(state)
    return twin


@SIZES
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
def test_equals_timm(image, same, height, width, training, biased):
    block = StarMixer(6, expand=3, batch_norm=True, bias_before_norm=biased).double()
    with torch.no_grad():
        for tensor in block.parameters():
            tensor.add_(0.3 * torch.randn_like(tensor))
    block.train(training)
    twin = effective(block).train(training)
    same(block, lambda x: twin(x) - x, image(6, height, width, batch=3), weights=False)


@SIZES
def test_bare_form_equals_torch(image, same, height, width):
    block = StarMixer(6, expand=2, kernel=5).double()

    def composition(x):
        y = F.conv2d(x, block.before.weight, block.before.bias, padding=2, groups=6)
        first = F.conv2d(y, block.f1.weight, block.f1.bias).clamp(0, 6)
        y = F.conv2d(first * F.conv2d(y, block.f2.weight, block.f2.bias), block.g.weight, block.g.bias)
        return F.conv2d(y, block.after.weight, block.after.bias, padding=2, groups=6)

    same(block, composition, image(6, height, width))


def test_macs_and_summary():
    N, C = 63, 16
    assert count(StarMixer(C), (7, 9), channels=C).macs == 12 * N * C * C + 98 * N * C
    macs = count(StarMixer(C, expand=1.5, kernel=3, batch_norm=True), (7, 9), channels=C).macs
    assert macs == 9 * N * C * C // 2 + 18 * N * C
    assert StarMixer.summary_size(C, 1, N, expand=3.0) == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="kernel must be odd, got 4"):
        StarMixer(8, kernel=4)
    with pytest.raises(ValueError, match="expand must leave at least one hidden channel"):
        StarMixer(8, expand=0)
