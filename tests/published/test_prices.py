"""The price list against fvcore itself, run on real data."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ablate.cost.count import count
from ablate.published.prices import ATTENTION, read
from ablate.published.recount import PRODUCTS, Form, recount


def fvcore_total(module: nn.Module, image: torch.Tensor) -> int:
    from fvcore.nn.flop_count import FlopCountAnalysis

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(module.eval(), image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        return int(analysis.total())


class Everything(nn.Module):
    """Every call that the list prices, and those that it leaves out, in one small network."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.same = nn.Conv2d(8, 8, 3, padding="same")
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2, groups=2)
        self.batch = nn.BatchNorm2d(8, affine=False)
        self.group = nn.GroupNorm(2, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.layer = nn.LayerNorm(8, elementwise_affine=False)
        self.sequence = nn.LSTM(8, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.query = nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.ones(1, 8, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(self.instance(self.group(self.batch(self.same(self.first(x))))))
        for mode in ("nearest", "bilinear", "bicubic"):
            x = F.interpolate(x, scale_factor=0.5 if mode == "bilinear" else 1.25, mode=mode)
        x = F.grid_sample(x, torch.zeros(len(x), 6, 6, 2, device=x.device), align_corners=False)
        tokens = self.layer(x.flatten(2).transpose(1, 2))  # (B, N, C)
        normed = F.batch_norm(tokens, None, None, weight=torch.ones(36, device=x.device), training=True)
        scores = torch.einsum("bnc,bmc->bnm", tokens, self.query(normed)) @ tokens
        fused = F.scaled_dot_product_attention(tokens[:, None], scores[:, None], tokens[:, None])[:, 0]
        added = torch.baddbmm(fused, torch.eye(36, device=x.device).expand(len(x), 36, 36), fused)
        vector = torch.mv(added[0], added[0, 0])
        summed = torch.addmm(added[0], torch.bmm(added, added.mT)[0], added[0])
        pooled = F.adaptive_avg_pool2d((summed + vector[:, None]).T.reshape(1, 8, 6, 6), 2)
        return self.sequence(pooled.flatten(2).mT)[0]


def test_every_rule_is_that_of_fvcore() -> None:
    torch.manual_seed(0)
    module, image = Everything(), torch.randn(1, 3, 16, 16)
    book = read(module, image)
    assert sum(book.priced.values()) == fvcore_total(module, image)
    assert set(book.priced) == {
        "convolution",
        "product",
        "batch norm",
        "group norm",
        "instance norm",
        "layer norm",
        "interpolation",
        "grid sampling",
        "adaptive average pooling",
    }
    assert set(book.left_out) == {
        "convolution with padding by name",
        "recurrent layer",
        "product added to a batch",
        "product with a vector",
        ATTENTION,
    }
    # what it prices as MACs and what it leaves out are together the count, but for the four digits of einsum
    macs = sum(book.priced[name] for name in PRODUCTS) + sum(book.left_out.values())
    estimate = int(2.074e4 / 2)
    assert macs - estimate + 36 * 8 * 36 == count(module, 16).macs


MODELS = [
    ("resnet18", 64),
    ("mobilevitv2_050", 64),
    ("vit_tiny_patch16_224", 224),
    ("convmixer_768_32", 28),  # padding by name
    ("nfnet_l0", 64),  # batch norm in training mode standardises the weights
    ("levit_128s", 224),
    ("convit_tiny", 224),
]


@pytest.mark.parametrize(("model", "resolution"), MODELS, ids=[model for model, _ in MODELS])
def test_models_without_data_are_priced_as_fvcore_prices_them_with_data(model: str, resolution: int) -> None:
    import timm

    torch.manual_seed(0)
    module = timm.create_model(model, pretrained=False)
    again = recount(Form(model, resolution))
    assert again.failed == ""
    assert again.fused == fvcore_total(module, torch.randn(1, 3, resolution, resolution))
    assert again.macs == count(module, resolution).macs
    assert again.params == sum(parameter.numel() for parameter in module.parameters())
