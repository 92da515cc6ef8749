"""RepMixer against timm's FastViT, and its folded form against itself."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.fastvit import RepMixer as TimmRepMixer
from torch import nn

from ablate.cost import count
from blocks.repmixer import RepMixer

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


def build(kernel=3, layer_scale=0.3):
    block = RepMixer(6, kernel=kernel, layer_scale=layer_scale).double()
    with torch.no_grad():
        for name, tensor in block.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_((0.5 if "var" in name else 0.3) * torch.rand_like(tensor))
    return block


@SIZES
@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_equals_timm(image, same, height, width, kernel, training):
    block, twin = build(kernel).train(training), TimmRepMixer(6, kernel).double()
    names = {
        "wide": "mixer.conv_kxk.0.conv",
        "wide_norm": "mixer.conv_kxk.0.bn",
        "single": "mixer.conv_scale.conv",
        "single_norm": "mixer.conv_scale.bn",
        "skip": "mixer.identity",
        "minus": "norm.identity",
    }
    state = {}
    for key, value in block.state_dict().items():
        module, _, leaf = key.rpartition(".")
        state[f"{names[module]}.{leaf}" if module else "layer_scale.gamma"] = value
    twin.load_state_dict(state)
    twin.train(training)
    same(block, lambda x: twin(x) - x, image(6, height, width, batch=3), weights=False)


def test_equals_torch_with_gradients_of_weights(image, same):
    block = build().eval()

    def norm(bn, x):
        shape = (1, -1, 1, 1)
        x = (x - bn.running_mean.view(shape)) / (bn.running_var.view(shape) + bn.eps).sqrt()
        return x * bn.weight.view(shape) + bn.bias.view(shape)

    def composition(x):
        y = norm(block.wide_norm, F.conv2d(x, block.wide.weight, padding=1, groups=6))
        y = y + norm(block.single_norm, x * block.single.weight.view(1, -1, 1, 1))
        return block.scale * (y + norm(block.skip, x) - norm(block.minus, x))

    same(block, composition, image(6, 7, 9))


@SIZES
@pytest.mark.parametrize(("kernel", "layer_scale"), [(3, None), (7, 0.3), (1, 2.0)])
def test_folded_is_the_same_convolution(image, same, height, width, kernel, layer_scale):
    block = build(kernel, layer_scale).eval()
    folded = block.folded()
    assert type(folded) is nn.Conv2d
    assert folded.groups == 6
    same(block, folded, image(6, height, width), weights=False)


def test_macs_and_summary():
    N, C = 63, 16
    block = RepMixer(C, kernel=5).eval()
    assert count(block, (7, 9), channels=C).macs == 26 * N * C
    assert count(block.folded(), (7, 9), channels=C).macs == 25 * N * C
    assert RepMixer.summary_size(C, 1, N, kernel=5) == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="kernel must be odd, got 4"):
        RepMixer(8, kernel=4)
    with pytest.raises(ValueError, match=r"layer_scale must be positive, got 0.0"):
        RepMixer(8, layer_scale=0.0)
