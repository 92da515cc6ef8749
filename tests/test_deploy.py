"""The deployed form gives the same as the trained one, and folds what can be folded and nothing else."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ablate.cost import count
from ablate.deploy import deploy
from ablate.errors import AblateError
from ablate.layout import Layout
from blocks.norm import BatchNorm
from blocks.repmixer import RepMixer


def trained(module: nn.Module) -> nn.Module:
    """As after training: no statistic, scale or shift of a norm is what it starts from."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
            if part.weight is not None:
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.2)
    return module.eval()


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, _BatchNorm) for part in module.modules())


def gap(module: nn.Module, deployed: nn.Module, *shape: int) -> float:
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before, after = module(x), deployed(x)
    return ((before - after).abs().max() / before.abs().max().clamp_min(1)).item()


LAYOUTS = [
    ("mbconv", "layer", 0),
    ("repmixer", "layer", 0),
    ("star(batch_norm=true, expand=2)", "layer", 0),
    ("litemla(batch_norm=true, kernel=3)", "layer", 0),
    ("shsa(batch_norm=true)", "layer", 0),
    # norm1 goes into q, k, v and norm2 into fc1; the head's norm stands before pooling and stays
    ("softmax", "batch", 1),
    ("conv", "batch", 1),
    # so does norm1 of two blocks a stage before a padded or pooling mixer
    ("pool", "batch", 5),
    ("repmixer", "batch", 5),
]


@pytest.mark.parametrize(("block", "norm", "left"), LAYOUTS)
def test_whole_layouts(block: str, norm: str, left: int) -> None:
    layout = Layout(
        f"{block} | {block}", widths=[16, 32], heads=[2, 2], stem="conv", norm=norm, ffn="mlp", mlp_ratio=2
    )
    module = trained(layout.build(classes=5))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    deployed = deploy(module)
    assert norms(deployed) == left
    assert gap(module, deployed, 3, 40, 56) < 1e-5
    assert count(deployed, 32).macs <= count(module, 32).macs
    assert count(deployed, 32).elementwise < count(module, 32).elementwise
    assert not deployed.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("resnet18", 0),
        ("mobilenetv2_035", 0),
        ("starnet_s050", 1),  # the norm before pooling
        ("fastvit_t8", 0),
        ("shvit_s1", 0),
        ("efficientvit_b0", 0),
        ("levit_128s", 0),
        ("convnext_atto", 0),
    ],
)
def test_timm_models(name: str, left: int) -> None:
    module = trained(timm.create_model(name, num_classes=7))
    deployed = deploy(module)
    assert norms(deployed) == left
    assert gap(module, deployed, *module.pretrained_cfg["input_size"]) < 1e-5


def test_on_meta_it_is_counted_as_on_a_device() -> None:
    layout = Layout("repmixer mbconv", widths=[16], stem="conv", mlp_ratio=2, ffn="mlp")
    with torch.device("meta"):
        planned = deploy(layout.build(classes=5))
    assert all(p.is_meta for p in planned.parameters())
    real = deploy(layout.build(classes=5))
    assert count(planned, 32) == count(real, 32)
    assert norms(planned) == 0


def test_feature_maps() -> None:
    layout = Layout("mbconv | repmixer", widths=[16, 24], stem="conv", mlp_ratio=2, ffn="mlp")
    module = trained(layout.build(features_only=True))
    x = torch.randn(1, 3, 48, 32)
    with torch.no_grad():
        for before, after in zip(module(x), deploy(module)(x), strict=True):
            torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-5)


def test_a_block_by_itself() -> None:
    block = trained(RepMixer(6))
    folded = deploy(block, (6, 8, 8))
    assert type(folded) is nn.Conv2d
    assert gap(block, folded, 6, 9, 7) < 1e-5


class Wired(nn.Module):
    """A convolution and a norm, wired by a function of both."""

    def __init__(self, wiring, **options) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.wiring = wiring
        self.conv = nn.Conv2d(4, 4, 1, **options)
        self.norm = BatchNorm(4)
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.wiring(self, x)
        return out


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


KEPT = {
    "output read twice": lambda m, x: m.norm(y := m.conv(x)) + y,
    "activation between": lambda m, x: m.norm(m.conv(x).relu()),
    "norm runs twice": lambda m, x: m.norm(m.norm(m.conv(x))),
    "convolution runs twice": lambda m, x: m.norm(m.conv(x)) + m.conv(x),
    "weight read elsewhere": lambda m, x: m.norm(m.conv(x)) + m.conv.weight.sum(),
    "another dimension": lambda m, x: m.norm(m.conv(x).transpose(1, 2).contiguous()),
    "rows instead of channels": lambda m, x: m.linear(m.norm(x)),
    "rows instead of channels, a view": lambda m, x: m.linear(m.norm(x).transpose(2, 3)),
    "part of the channels": lambda m, x: m.norm(m.conv(x).roll(1, 1)),
    "norm before and read twice": lambda m, x: m.conv(y := m.norm(x)) + y,
}


@pytest.mark.parametrize("wiring", KEPT.values(), ids=KEPT)
def test_what_is_not_alone_together_stays(wiring) -> None:  # type: ignore[no-untyped-def]
    module = trained(Wired(wiring))
    deployed = deploy(module, (4, 4, 4))
    assert norms(deployed) == 1
    assert gap(module, deployed, 4, 4, 4) == 0


FOLDED = {
    "behind": lambda m, x: m.norm(m.conv(x)),
    "before": lambda m, x: m.conv(m.norm(x)),
    "before tokens": lambda m, x: m.linear(tokens(m.norm(x))),
    "behind tokens": lambda m, x: m.norm(m.linear(tokens(x)).transpose(1, 2).reshape(x.shape)),
    "shape asked in between": lambda m, x: m.norm((y := m.conv(x)).view(y.shape)),
}


@pytest.mark.parametrize("wiring", FOLDED.values(), ids=FOLDED)
def test_what_is_alone_together_is_folded(wiring) -> None:  # type: ignore[no-untyped-def]
    module = trained(Wired(wiring))
    deployed = deploy(module, (4, 4, 4))
    assert norms(deployed) == 0
    assert gap(module, deployed, 4, 4, 4) < 1e-6


def test_norm_before_a_padded_convolution_stays() -> None:
    module = trained(Wired(lambda m, x: m.conv(m.norm(x)), padding=1))
    assert norms(deploy(module, (4, 4, 4))) == 1


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = 2 * self.conv(x)
        return y

    def folded(self) -> nn.Module:
        return self.conv


def test_a_fold_that_changes_the_outputs_is_refused() -> None:
    with pytest.raises(AblateError, match="Sequential cannot be deployed: its folded form differs by"):
        deploy(nn.Sequential(Wrong()))


def test_an_image_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(AblateError, match=r"cannot process a 5 x 8 x 8 image.*give `image`"):
        deploy(nn.Sequential(nn.Conv2d(3, 3, 1)), (5, 8, 8))
    with pytest.raises(AblateError, match="no layer to read its channels from"):
        deploy(nn.ReLU())
