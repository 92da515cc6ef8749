"""Norms, recipes, FFNs, positions and branches against torch's own layers and against formulas by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from timm.layers.squeeze_excite import SqueezeExcite as TimmSqueezeExcite
from timm.models._efficientnet_blocks import InvertedResidual as TimmInverted
from torch import nn

from blocks.activations import StarReLU
from blocks.branches import ParallelMixers, SplitMixers
from blocks.conv import ConvMixer
from blocks.ffn import MLP, GatedFFN, StarFFN, SwiGLU
from blocks.inverted import InvertedResidual
from blocks.metaformer import MetaFormerBlock, MetaNeXtBlock
from blocks.norm import GroupNorm, LayerNorm, RMSNorm
from blocks.position import ConditionalPosition, LearnedPosition, SinePosition
from blocks.registry import make
from blocks.squeeze import SqueezeExcite

SIZES = [(1, 1), (5, 3), (8, 7)]


def shaken(module: nn.Module) -> nn.Module:
    """Parameters away from where they start."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    return module.double()


@pytest.mark.parametrize("size", SIZES)
def test_rms_norm_is_torchs(size, image, same):
    norm = shaken(RMSNorm(6, eps=1e-3))
    same(
        norm,
        lambda x: F.rms_norm(x.permute(0, 2, 3, 1), (6,), norm.weight, 1e-3).permute(0, 3, 1, 2),
        image(6, *size),
    )


def test_norms_without_affine_or_bias_have_none():
    assert not list(LayerNorm(4, affine=False).parameters())
    assert [name for name, _ in LayerNorm(4, bias=False).named_parameters()] == ["weight"]
    assert not list(GroupNorm(4, affine=False).parameters())
    with pytest.raises(ValueError, match="groups must divide the 6 channels, got 4"):
        GroupNorm(6, groups=4)


def test_one_group_is_over_the_whole_map(image, same):
    norm = shaken(GroupNorm(6))

    def by_hand(x):
        mean, var = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), keepdim=True, correction=0)
        y = (x - mean) / (var + 1e-5).sqrt()
        return y * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)

    same(norm, by_hand, image(6, 5, 3))


@pytest.mark.parametrize("place", ["pre", "post", "res_post", "none"])
def test_norms_stand_where_they_should(place, image, same):
    block = MetaFormerBlock(
        ConvMixer(6),
        MLP(6, 9),
        LayerNorm(6),
        LayerNorm(6),
        dim=6,
        norm_place=place,
        layer_scale=0.5,
        res_scale=2,
    )
    shaken(block)
    mix, ffn = block.mixer, block.ffn
    scales = [getattr(block, f"{name}_scale{i}") for i in (1, 2) for name in ("layer", "res")]

    def residual(x, branch, norm, layer, res):
        if place == "pre":
            return res(x) + layer(branch(norm(x)))
        if place == "res_post":
            return res(x) + layer(norm(branch(x)))
        y = res(x) + layer(branch(x))
        return norm(y) if place == "post" else y

    def by_hand(x):
        return residual(residual(x, mix, block.norm1, *scales[:2]), ffn, block.norm2, *scales[2:])

    same(block, by_hand, image(6, 5, 3))


def test_metanext_has_one_residual(image, same):
    block = shaken(MetaNeXtBlock(ConvMixer(6), MLP(6, 9), LayerNorm(6), dim=6, layer_scale=0.5))
    same(block, lambda x: x + block.layer_scale(block.ffn(block.norm(block.mixer(x)))), image(6, 5, 3))


def test_a_block_without_ffn_is_its_mixer(image, same):
    block = shaken(MetaFormerBlock(ConvMixer(6), None, LayerNorm(6), None))
    same(block, lambda x: x + block.mixer(block.norm1(x)), image(6, 5, 3))
    assert not any(name.startswith(("norm2", "ffn")) for name, _ in block.named_parameters())


def test_gated_ffns_by_hand(image, same):
    for ffn, act in ((GatedFFN(6, 9), torch.sigmoid), (SwiGLU(6, 9), F.silu)):
        shaken(ffn)

        def by_hand(x, ffn=ffn, act=act):
            y = x.permute(0, 2, 3, 1)
            return ffn.project(act(ffn.gate(y)) * ffn.value(y)).permute(0, 3, 1, 2)

        same(ffn, by_hand, image(6, 5, 3))
    star = shaken(StarFFN(6, 9))

    def stars(x):
        y = x.permute(0, 2, 3, 1)
        return star.project(star.fc1(y).clamp(0, 6) * star.fc2(y)).permute(0, 3, 1, 2)

    same(star, stars, image(6, 5, 3))


def test_star_relu_learns_two_numbers(image, same):
    act = shaken(StarReLU())
    same(act, lambda x: act.scale * x.clamp(min=0) ** 2 + act.bias, image(3, 4, 4))


def test_dropout_is_of_training_only():
    ffn = MLP(8, 16, dropout=0.5)
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(ffn.eval()(x), ffn(x))
    ffn.train()
    assert not torch.equal(ffn(x), ffn(x))


@pytest.mark.parametrize("size", SIZES)
def test_squeeze_excite_is_timms(size, image, same):
    ours = SqueezeExcite(8, 4).double()
    theirs = TimmSqueezeExcite(8, rd_channels=4).double()
    names = {"reduce": "fc1", "expand": "fc2"}
    theirs.load_state_dict(
        {key.replace(a, b): v for key, v in ours.state_dict().items() for a, b in names.items() if a in key}
    )
    same(ours, theirs, image(8, *size), weights=False)


@pytest.mark.parametrize("size", SIZES)
def test_the_inverted_residual_is_timms(size, image, same):
    ours = InvertedResidual(8, expand=3, kernel=5, act="silu", se=0.25).double().eval()
    theirs = (
        TimmInverted(
            8,
            8,
            dw_kernel_size=5,
            exp_ratio=3,
            act_layer=nn.SiLU,
            se_layer=lambda chs, **_: SqueezeExcite(chs, 2, "silu"),
        )
        .double()
        .eval()
    )
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert a.shape == b.shape
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    same(ours, theirs, image(8, *size), weights=False)


def test_branches_are_summed(image, same):
    mixer = shaken(ParallelMixers(6, 2, of=("conv", "softmax")))
    same(mixer, lambda x: mixer.branches[0](x) + mixer.branches[1](x), image(6, 5, 3))


def test_splits_have_their_own_channels(image, same):
    mixer = SplitMixers(13, 1, of=("identity", "depthwise", "conv"), shares=(2, 1, 1))
    assert mixer.widths == [7, 3, 3]
    shaken(mixer)

    def by_hand(x):
        return torch.cat([x[:, :7], mixer.branches[1](x[:, 7:10]), mixer.branches[2](x[:, 10:])], 1)

    same(mixer, by_hand, image(13, 5, 3))
    with pytest.raises(ValueError, match="shares must be 2 numbers"):
        SplitMixers(8, 1, of=("conv", "pool"), shares=(1,))
    with pytest.raises(ValueError, match="without channels"):
        SplitMixers(4, 1, of=("conv", "pool"), shares=(9, 1))


def test_sine_positions_by_hand():
    added = SinePosition(8, base=100.0)(torch.zeros(1, 8, 3, 5))[0]
    for row in range(3):
        for column in range(5):
            rates = [1.0, 100.0**-0.5]
            expected = [
                f(place * rate) for place in (row, column) for f in (math.sin, math.cos) for rate in rates
            ]
            torch.testing.assert_close(added[:, row, column], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_learned_positions_are_their_table_at_their_size(image, same):
    position = LearnedPosition(6, size=4).double()
    same(position, lambda x: x + position.table, image(6, 4, 4))
    larger = position(torch.zeros(1, 6, 8, 8, dtype=torch.float64))
    assert larger.mean().item() == pytest.approx(position.table.mean().item(), abs=0.01)


def test_a_conditional_position_is_a_convolution(image, same):
    position = ConditionalPosition(6).double()
    same(
        position,
        lambda x: x + F.conv2d(x, position.weight, position.bias, padding=1, groups=6),
        image(6, 5, 3),
    )


def test_parts_are_made_by_name_or_call():
    assert isinstance(make("norm", "layer", dim=4), LayerNorm)
    assert isinstance(make("norm", None, dim=4), nn.Identity)
