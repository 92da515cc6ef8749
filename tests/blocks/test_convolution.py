"""Convolutional mixers and blocks, pooling and nothing, against timm and plain PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.convnext import ConvNeXtBlock as TimmConvNeXtBlock
from timm.models.maxxvit import MaxxVitConvCfg, MbConvBlock
from timm.models.metaformer import Pooling, SepConv
from torch import nn

from blocks.conv import ConvMixer
from blocks.convnext import ConvNeXtBlock
from blocks.mbconv import MBConvBlock
from blocks.pool import IdentityMixer, PoolMixer

SIZES = pytest.mark.parametrize(("height", "width"), [(13, 9), (1, 1), (1, 7), (5, 3)])


def use_weights_of(block, twin):
    """Give `twin` the block's parameters, matched by order; pointwise convolutions take linear layers."""
    ours, theirs = list(block.parameters()), list(twin.parameters())
    assert len(ours) == len(theirs)
    with torch.no_grad():
        for parameter, copy in zip(ours, theirs, strict=True):
            copy.copy_(parameter.view_as(copy))
    return twin


@SIZES
@pytest.mark.parametrize(("expand", "kernel"), [(2, 3), (3.5, 7), (0.5, 1)])
def test_conv_equals_timm_sepconv(image, same, height, width, expand, kernel):
    block = ConvMixer(12, expand=expand, kernel=kernel).double()
    options = {"kernel_size": kernel, "padding": kernel // 2, "bias": True}
    twin = SepConv(12, expand, act1_layer=nn.GELU, **options).double()
    same(block, use_weights_of(block, twin), image(12, height, width), weights=False)


def test_conv_equals_torch_with_gradients_of_weights(image, same):
    block = ConvMixer(8, expand=3, kernel=5).double()

    def composition(x):
        y = F.conv2d(x, block.expand.weight[..., None, None], block.expand.bias)
        y = F.conv2d(F.gelu(y), block.depthwise.weight, block.depthwise.bias, padding=2, groups=24)
        return F.conv2d(y, block.project.weight[..., None, None], block.project.bias)

    same(block, composition, image(8, 13, 9))


def test_conv_rounds_the_expansion():
    assert ConvMixer(32, expand=3.125).expand.out_features == 100
    assert ConvMixer(10, expand=0.26).expand.out_features == 3


@SIZES
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_mbconv_equals_timm(image, same, height, width, training):
    block = MBConvBlock(16).double().train(training)
    twin = MbConvBlock(16, 16, cfg=MaxxVitConvCfg(attn_layer="")).double().train(training)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    same(block, use_weights_of(block, twin), image(16, height, width, batch=3), weights=False)


@SIZES
def test_convnext_equals_timm(image, same, height, width):
    block = ConvNeXtBlock(12, layer_scale=0.7).double()
    twin = TimmConvNeXtBlock(12, ls_init_value=0.7).double()
    names = {"scale": "gamma", "depthwise": "conv_dw", "expand": "mlp.fc1", "project": "mlp.fc2"}
    renamed = {}
    for key, value in block.state_dict().items():
        module, _, leaf = key.partition(".")
        renamed[".".join(filter(None, (names.get(module, module), leaf)))] = value
    twin.load_state_dict(renamed)
    same(block, twin, image(12, height, width), weights=False)


@SIZES
@pytest.mark.parametrize("size", [1, 3, 5])
def test_pool_equals_timm(image, same, height, width, size):
    same(PoolMixer(4, size=size), Pooling(size), image(4, height, width))


def test_identity_returns_its_input(image):
    x = image(4, 3, 5)
    assert IdentityMixer(4)(x) is x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvMixer(8, kernel=4), "kernel must be odd, got 4"),
        (lambda: ConvMixer(8, expand=0), "expand must leave at least one hidden channel, got 0 for dim 8"),
        (lambda: MBConvBlock(8, kernel=2), "kernel must be odd, got 2"),
        (lambda: MBConvBlock(8, 1.0), r"drop_path must lie in \[0, 1\), got 1.0"),
        (lambda: ConvNeXtBlock(8, kernel=0), "kernel must be at least 1, got 0"),
        (lambda: ConvNeXtBlock(8, expand=-1.0), "expand must leave at least one hidden channel"),
        (lambda: ConvNeXtBlock(8, layer_scale=0.0), "layer_scale must be positive, got 0.0"),
        (lambda: PoolMixer(8, size=2), "size must be odd, got 2"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
