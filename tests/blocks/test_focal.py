"""Focal modulation against timm's FocalNet and a plain composition."""

import pytest
import torch.nn.functional as F
from timm.models.focalnet import FocalModulation as TimmFocalModulation
from timm.models.focalnet import LayerNorm2d

from ablate.cost import count
from blocks.focal import FocalModulation

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


@SIZES
@pytest.mark.parametrize(
    ("kernel", "levels", "extras"), [(3, 2, False), (3, 3, True), (5, 1, False)], ids=["srf", "lrf", "one"]
)
def test_equals_timm(image, same, height, width, kernel, levels, extras):
    block = FocalModulation(8, kernel=kernel, levels=levels, normalise=extras, post_norm=extras).double()
    twin = TimmFocalModulation(
        8, kernel, levels, use_post_norm=extras, normalize_modulator=extras, norm_layer=LayerNorm2d
    ).double()
    places = {"expand": "f", "contexts": "focal_layers", "modulator": "h"}
    state = {}
    for key, value in block.state_dict().items():
        module, _, leaf = key.partition(".")
        if module == "contexts":
            leaf = leaf.replace(".", ".0.")
        state[f"{places.get(module, module)}.{leaf}"] = value
    twin.load_state_dict(state)
    same(block, twin, image(8, height, width), weights=False)


def test_equals_torch_with_gradients_of_weights(image, same):
    block = FocalModulation(6, kernel=3, levels=2).double()

    def composition(x):
        weights = dict(block.named_parameters())
        y = F.conv2d(x, weights["expand.weight"], weights["expand.bias"])
        q, context, gates = y[:, :6], y[:, 6:12], y[:, 12:]
        near = F.gelu(F.conv2d(context, weights["contexts.0.weight"], padding=1, groups=6))
        far = F.gelu(F.conv2d(near, weights["contexts.1.weight"], padding=2, groups=6))
        everywhere = F.gelu(F.adaptive_avg_pool2d(far, 1))
        total = near * gates[:, :1] + far * gates[:, 1:2] + everywhere * gates[:, 2:]
        y = q * F.conv2d(total, weights["modulator.weight"], weights["modulator.bias"])
        return F.conv2d(y, weights["proj.weight"], weights["proj.bias"])

    same(block, composition, image(6, 7, 9))


@pytest.mark.parametrize(("kernel", "levels"), [(3, 2), (5, 3)])
def test_macs(kernel, levels):
    N, C = 63, 16
    sides = [kernel + 2 * level for level in range(levels)]
    macs = count(FocalModulation(C, kernel=kernel, levels=levels), (7, 9), channels=C).macs
    assert macs == 4 * N * C * C + (levels + 1) * N * C + sum(side**2 for side in sides) * N * C


def test_summary_is_the_global_context():
    assert FocalModulation.summary_size(24, 3, 63, levels=3) == 24


def test_bad_arguments():
    with pytest.raises(ValueError, match="kernel must be odd, got 4"):
        FocalModulation(8, kernel=4)
    with pytest.raises(ValueError, match="levels must be at least 1, got 0"):
        FocalModulation(8, levels=0)
