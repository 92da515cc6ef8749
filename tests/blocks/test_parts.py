"""Stems, FFNs, norms and the MetaFormer recipe."""

import math

import pytest
import torch
import torch.nn.functional as F
from timm.layers.mlp import Mlp
from timm.models.pvt_v2 import MlpWithDepthwiseConv, OverlapPatchEmbed
from torch import nn

from blocks.ffn import MLP, ConvFFN
from blocks.metaformer import MetaFormerBlock
from blocks.norm import BatchNorm, LayerNorm
from blocks.patches import PatchConv
from blocks.pool import IdentityMixer, PoolMixer
from blocks.stems import ConvStem, OverlapStem, PatchifyStem
from blocks.tokens import to_map, to_tokens

SIZES = pytest.mark.parametrize(("height", "width"), [(13, 9), (1, 1), (1, 7), (5, 3)])


@SIZES
def test_mlp_equals_timm(image, same, height, width):
    block = MLP(8, 20).double()
    twin = Mlp(8, 20).double()
    twin.fc1, twin.fc2 = block.fc1, block.fc2
    same(block, lambda x: to_map(twin(to_tokens(x)), height, width), image(8, height, width))


@SIZES
def test_conv_ffn_equals_pvt_v2(image, same, height, width):
    block = ConvFFN(8, 20).double()
    twin = MlpWithDepthwiseConv(8, 20).double()
    twin.fc1, twin.dwconv, twin.fc2 = block.fc1, block.dwconv, block.fc2
    same(block, lambda x: to_map(twin(to_tokens(x), [height, width]), height, width), image(8, height, width))


@SIZES
def test_layer_norm_is_over_channels(image, same, height, width):
    norm = LayerNorm(6).double()
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()

    def by_hand(x):
        centred = x - x.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]

    same(norm, by_hand, image(6, height, width))


def test_batch_norm_is_torchs(image, same):
    norm, twin = BatchNorm(6).double(), nn.BatchNorm2d(6).double()
    twin.weight, twin.bias = norm.weight, norm.bias
    same(norm, twin, image(6, 5, 3))


@pytest.mark.parametrize(("stride", "kernel"), [(4, 7), (2, 3)])
def test_overlap_equals_pvt_v2(image, same, stride, kernel):
    stem = OverlapStem(3, 8, stride=stride).double()
    twin = OverlapPatchEmbed(kernel, stride, 3, 8).double()
    twin.proj, twin.norm.weight, twin.norm.bias = stem.conv, stem.norm.weight, stem.norm.bias
    twin.norm.eps = 1e-6
    same(stem, lambda x: twin(x).permute(0, 3, 1, 2), image(3, 13, 9))


@pytest.mark.parametrize("prenorm", [False, True])
def test_patchify_is_one_linear_layer_of_each_patch(image, same, prenorm):
    stem = PatchifyStem(3, 8, stride=4, prenorm=prenorm).double()

    def patch_by_patch(x):
        x = stem.prenorm(x)
        rows = [
            torch.stack(
                [patch.flatten(1) @ stem.conv.weight.flatten(1).t() + stem.conv.bias for patch in row], -1
            )
            for row in ([x[:, :, i : i + 4, j : j + 4] for j in range(0, 12, 4)] for i in range(0, 8, 4))
        ]
        return stem.norm(torch.stack(rows, -2))

    same(stem, patch_by_patch, image(3, 8, 12))


@pytest.mark.parametrize("cls", [OverlapStem, PatchifyStem, ConvStem])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_stems_round_up(image, cls, stride):
    stem = cls(3, 16, stride=stride).double()
    for height, width in [(13, 9), (1, 1), (1, 7), (32, 33)]:
        shape = stem(image(3, height, width)).shape
        assert shape == (2, 16, math.ceil(height / stride), math.ceil(width / stride))


def test_stems_accept_contiguous_images():
    for cls in (OverlapStem, PatchifyStem):
        assert cls(3, 16)(torch.randn(2, 3, 9, 9)).is_contiguous(memory_format=torch.channels_last)


def test_conv_stem_doubles_its_width():
    widths = [layer.out_channels for layer in ConvStem(3, 48, stride=8) if isinstance(layer, nn.Conv2d)]
    assert widths == [12, 24, 48]


def test_metaformer_block_is_two_residuals(image, same):
    block = MetaFormerBlock(PoolMixer(6), MLP(6, 12), LayerNorm(6), LayerNorm(6)).double()

    def by_hand(x):
        y = x + block.mixer(block.norm1(x))
        return y + block.ffn(block.norm2(y))

    same(block, by_hand, image(6, 5, 3))


def test_drop_path_drops_whole_samples_in_training_only():
    block = MetaFormerBlock(IdentityMixer(4), nn.Identity(), nn.Identity(), nn.Identity(), drop_path=0.5)
    x = torch.ones(512, 4, 2, 2)
    torch.testing.assert_close(block.eval()(x), 4 * x)
    y = block.train()(x)
    # each branch is dropped or doubled: a factor 1 or 3, twice
    assert set(y.unique().tolist()) == {1.0, 3.0, 9.0}
    assert (y == y[:, :1, :1, :1]).all()
    assert y.mean().item() == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OverlapStem(3, 8, stride=0), "stride must be at least 1, got 0"),
        (lambda: OverlapStem(3, 8, kernel=6), "kernel must be odd, got 6"),
        (lambda: OverlapStem(3, 8, stride=4, kernel=3), "kernel must be at least the stride 4, got 3"),
        (lambda: PatchifyStem(3, 8, stride=-1), "stride must be at least 1, got -1"),
        (lambda: ConvStem(3, 8, stride=3), "stride must be a power of two, got 3"),
        (lambda: ConvFFN(8, 16, kernel=2), "kernel must be odd, got 2"),
        (lambda: LayerNorm(8, eps=0), "eps must be positive, got 0"),
        (lambda: BatchNorm(8, eps=-1), "eps must be positive, got -1"),
        (lambda: BatchNorm(8, momentum=2), r"momentum must lie in \(0, 1\], got 2"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("channels", [1, 3, 8, 16, 24, 28, 32])
@pytest.mark.parametrize("size", [2, 4, 8])
def test_patch_convolution_is_right_in_both_precisions(image, same, channels, size):
    """bfloat16 convolutions of this form are wrong by more than 100 % in some processors' libraries."""
    conv = PatchConv(channels, 12, size).double()
    x = image(channels, 2 * size + 1, 4 * size)
    same(conv, lambda x: F.conv2d(x, conv.weight, conv.bias, stride=size), x)
    error = conv.bfloat16()(x.bfloat16()).double() - F.conv2d(
        x, conv.weight.double(), conv.bias.double(), stride=size
    )
    assert error.square().mean().sqrt() < 0.01
