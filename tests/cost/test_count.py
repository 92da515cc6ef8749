"""Counts against timm's known figures, closed forms and naive formulas; nothing is missed in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from ablate.cost import count, register_macs
from ablate.cost.operators.rules import RULES
from ablate.errors import AblateError

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_figures_of_timm_models(name: str) -> None:
    model = on_meta(name)
    counted = count(model, 224)
    figures = {key: getattr(counted, key) for key in ("params", "macs", "elementwise", "activations")}
    assert figures == {key: value for key, value in GOLDEN[name].items() if key != "training_macs"}
    assert counted.flops == 2 * counted.macs
    assert counted.uncounted == ()
    assert counted.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "first_layer"),
    [
        ("pvt_v2_b1", 3 * 64 * 7 * 7 * 56 * 56),
        ("resnet50", 3 * 64 * 7 * 7 * 112 * 112),
        ("deit_small_patch16_224", 3 * 384 * 16 * 16 * 14 * 14),
        ("mobilenetv2_100", 3 * 32 * 3 * 3 * 112 * 112),
        ("resnext50_32x4d", 3 * 64 * 7 * 7 * 112 * 112),
    ],
)
def test_training_is_three_times_forward_less_the_first_layer(name: str, first_layer: int) -> None:
    counted = count(on_meta(name), 224, training=True)
    assert counted.macs == 3 * GOLDEN[name]["macs"] - first_layer
    assert counted.macs == GOLDEN[name]["training_macs"]


def test_published_figures() -> None:
    gmacs = {name: round(GOLDEN[name]["macs"] / 1e9, 3) for name in GOLDEN}
    assert GOLDEN["deit_small_patch16_224"]["macs"] == 4_598_882_304
    assert gmacs["resnet50"] == 4.089
    assert gmacs["swin_tiny_patch4_window7_224"] == 4.491
    assert gmacs["pvt_v2_b0"] == 0.566


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_and_their_backward(groups: int, transposed: bool) -> None:
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    conv = kind(6, 12, (3, 5), stride=2, groups=groups)
    x = torch.zeros(2, 6, 11, 9)
    positions = 11 * 9 if transposed else conv(x)[0, 0].numel()
    forward = 2 * positions * 3 * 5 * 6 * 12 // groups
    model = nn.Sequential(nn.Conv2d(1, 6, 1), conv)
    stem = 2 * 11 * 9 * 6
    assert count(model, (11, 9), channels=1, batch=2).macs == stem + forward
    assert count(model, (11, 9), channels=1, batch=2, training=True).macs == 2 * stem + 3 * forward


class Forward(nn.Module):
    """A module that is one function of the image."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.matrix = nn.Parameter(torch.zeros(8, 8))
        self.vector = nn.Parameter(torch.zeros(8))

    def forward(self, x):
        return self.function(self, x)


@pytest.mark.parametrize(
    ("name", "function", "macs"),
    [
        ("matrix @ vector", lambda m, x: m.matrix @ m.vector, 64),
        ("dot", lambda m, x: m.vector @ m.vector, 8),
        ("addmv", lambda m, x: torch.addmv(m.vector, m.matrix, m.vector), 64),
        ("addbmm", lambda m, x: torch.addbmm(m.matrix, x[0], x[0]), 3 * 8 * 8 * 8),
        ("baddbmm", lambda m, x: torch.baddbmm(x[0], x[0], x[0]), 3 * 8 * 8 * 8),
        ("einsum", lambda m, x: torch.einsum("bchw,wv->bchv", x, m.matrix), 3 * 8 * 8 * 8),
        ("linear", lambda m, x: F.linear(x, m.matrix), 3 * 8 * 8 * 8),
        ("attention", lambda m, x: F.scaled_dot_product_attention(x, x, x), 2 * 3 * 8 * 8 * 8),
        ("nothing", lambda m, x: (x * x).sum(), 0),
    ],
)
def test_operators(name, function, macs) -> None:
    counted = count(Forward(function), 8)
    assert counted.macs == macs
    assert counted.uncounted == ()


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda m, x: torch.linalg.svdvals(x), "aten._linalg_svd"),
        (lambda m, x: torch.linalg.inv(x + torch.eye(8, device=x.device)), "aten.linalg_inv_ex"),
    ],
)
def test_work_without_a_rule_is_reported_by_name(function, operator) -> None:
    assert operator in count(Forward(function), 8).uncounted


@torch.library.custom_op("ablate_tests::mix", mutates_args=())
def mix(x: torch.Tensor) -> torch.Tensor:
    return x @ x


@mix.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def test_a_custom_operator_is_flagged_until_it_has_a_rule() -> None:
    model = Forward(lambda m, x: torch.ops.ablate_tests.mix(x))
    assert count(model, 8).uncounted == ("ablate_tests.mix",)
    try:
        register_macs(torch.ops.ablate_tests.mix, lambda out, x: x.numel() * x.shape[-1])
        counted = count(model, 8)
        assert (counted.macs, counted.uncounted) == (3 * 8 * 8 * 8, ())
    finally:
        RULES.pop(torch.ops.ablate_tests.mix, None)
    with pytest.raises(TypeError, match="register_macs wants an operator"):
        register_macs("mix", lambda out: 0)  # type: ignore[arg-type]


def test_the_fast_path_of_multi_head_attention_hides_nothing() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, x):
            return self.encoder(x.flatten(2).transpose(1, 2))

    n, c = 25, 16
    torch.backends.mha.set_fastpath_enabled(True)
    assert count(Tokens().eval(), 5, channels=c).macs == 4 * n * c * c + 2 * n * n * c + 2 * n * c * 32
    assert torch.backends.mha.get_fastpath_enabled()


def test_macs_do_not_depend_on_the_attention_kernel() -> None:
    model = on_meta("deit_tiny_patch16_224")
    for training in (False, True):
        fused, math = (count(model, kernel=kernel, training=training) for kernel in ("fused", "math"))
        assert fused.macs == math.macs
        assert fused.elementwise == math.elementwise
        assert fused.bytes < math.bytes


def test_the_module_is_left_as_it_is() -> None:
    model = timm.create_model("resnet18").train()
    model.bn1.eval()
    (model(torch.zeros(2, 3, 32, 32)).sum()).backward()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    modes = [module.training for module in model.modules()]
    count(model, 64, batch=2, training=True)
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(
        torch.equal(p.grad, g)
        for p, g in zip((p for p in model.parameters() if p.grad is not None), gradients, strict=True)
    )
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class LooksAtValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        y = self.conv(x)
        return {"maps": [y, y * 2], "label": "odd"} if y.sum() > 1e9 else {"maps": [y], "label": "even"}


def test_control_flow_on_values_falls_back_to_the_cpu() -> None:
    counted = count(LooksAtValues(), 8)
    assert (counted.macs, counted.ran_on) == (12 * 64, "cpu")
    with torch.device("meta"):
        model = LooksAtValues()
    with pytest.raises(AblateError, match="LooksAtValues cannot process a 8 x 8 image without data"):
        count(model, 8)


def test_a_size_that_the_module_refuses_is_an_error() -> None:
    with pytest.raises(AblateError, match="cannot process a 100 x 100 image"):
        count(timm.create_model("deit_tiny_patch16_224"), 100)


def test_work_by_module_adds_up() -> None:
    counted = count(on_meta("resnet18"), 64)
    tops = [counted.by_module[name] for name in counted.by_module if name and "." not in name]
    assert sum(tally.macs for tally in tops) == counted.macs == counted.by_module[""].macs
    assert counted.by_module["layer1.0"].macs == 2 * 64 * 64 * 9 * 16 * 16


def test_element_wise_work_and_bytes_of_a_small_net() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU(), nn.Flatten(2), nn.Softmax(-1), nn.AvgPool1d(2))
    counted = count(model, 8)
    elements = 4 * 64
    assert counted.elementwise == elements + 5 * elements + 2 * elements // 2
    conv = 3 * 64 + 4 * 3 + 4 + elements
    assert counted.bytes == 4 * (conv + 2 * elements + 2 * elements + elements + elements // 2)
    assert counted.activations == elements
