"""The audit finds what other tools leave out or add, agrees with them once repaired, and can disagree."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from ablate import Layout
from ablate.cost.audit import audit, rules
from ablate.cost.audit.table import RULE_OF_THUMB, AuditTable
from ablate.cost.operators.rules import RULES

TOOLS = ("fvcore", "ptflops (pytorch)", "ptflops (aten)", "FlopCounterMode")
aten = torch.ops.aten


class Mixed(nn.Module):
    """Every way of writing a product that the suite's blocks use, at awkward sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(3, 12, 3, stride=2, padding=1, groups=3)
        self.depthwise = nn.Conv2d(12, 12, 3, padding="same", groups=12, bias=False)
        self.up = nn.ConvTranspose2d(12, 10, 3, stride=2, groups=2)
        self.qkv = nn.Linear(10, 30)
        self.saliency = nn.Parameter(torch.ones(10))
        self.table = nn.Parameter(torch.ones(7, 10))
        self.norm = nn.LayerNorm(10)
        self.multi = nn.MultiheadAttention(10, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(F.gelu(self.depthwise(self.grouped(x))))
        x = self.norm(x.flatten(2).transpose(1, 2))  # (B, N, C)
        q, k, v = self.qkv(x).unflatten(2, (3, 2, 5)).permute(2, 0, 3, 1, 4)  # (B, h, N, d) each
        out = F.scaled_dot_product_attention(q, k, v) + (q @ k.mT).softmax(-1) @ v
        x = out.transpose(1, 2).flatten(2)
        weight = (x @ self.saliency).softmax(-1)  # (B, N)
        pooled = torch.einsum("bn,bnc->bc", weight, x)
        codes = torch.einsum("bnc,kc->bnk", x, self.table)
        x = x + torch.bmm(codes, self.table.expand(len(x), -1, -1)) + pooled[:, None]
        return self.multi(x, x, x, need_weights=False)[0] + F.linear(x, self.table[:1])


def show(table: AuditTable) -> str:
    return table.to_markdown()


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        ("deit_tiny_patch16_224", 224),
        ("pvt_v2_b0", 96),
        ("swin_tiny_patch4_window7_224", 112),
    ],
    ids=["deit", "pvt", "swin"],
)
def test_repaired_tools_give_the_same_integer(name: str, resolution: int, training: bool) -> None:
    table = audit(
        lambda: timm.create_model(name, **({"img_size": resolution} if "swin" in name else {})),
        resolution,
        mode="repaired",
        training=training,
    )
    assert table.agrees, show(table)
    for tool in TOOLS:
        row = table.row(tool)
        assert not row.failed, row.status
        if row.status == RULE_OF_THUMB:
            assert row.error == dict(row.added)["gradients not needed (of the image)"]
        else:
            assert row.error == 0, show(table)
    assert all(table.row(tool).status == RULE_OF_THUMB for tool in TOOLS[:3]) == training


def test_subclasses_of_layers_are_passed_over() -> None:
    table = audit(timm.create_model("tf_efficientnet_lite0", pretrained=False), 64)
    assert table.agrees, show(table)
    assert set(dict(table.row("ptflops (pytorch)").left_out)) == {"Conv2dSame (subclass)"}


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize("mode", ["as-called", "repaired"])
def test_every_way_to_write_a_product(mode: Any, training: bool) -> None:
    table = audit(Mixed(), (13, 9), mode=mode, training=training)
    failed = {row.tool: row.status for row in table.rows if row.failed}
    # its own rule for matmul does not take a vector
    expected = {} if mode == "repaired" else {"fvcore": "failed: IndexError: list index out of range"}
    assert failed == expected
    assert table.agrees, show(table)


def test_as_called_names_what_is_missing_and_what_is_too_much() -> None:
    model = timm.create_model("deit_tiny_patch16_224", pretrained=False)
    table = audit(model, 224)
    attention = 12 * 2 * 197 * 197 * 192
    assert table.agrees, show(table)
    fvcore = table.row("fvcore")
    assert dict(fvcore.left_out) == {"scaled_dot_product_attention": attention}
    assert dict(fvcore.added) == {"layer_norm": 25 * 5 * 197 * 192}
    assert fvcore.error == sum(dict(fvcore.added).values()) - attention
    hooks = table.row("ptflops (pytorch)")
    # qkv and proj are below a module that ptflops knows, and are passed over
    assert dict(hooks.left_out)["Linear below Attention"] == 12 * 4 * 197 * 192 * 192
    assert "bias" in dict(hooks.added)
    assert sum(dict(table.row("ptflops (aten)").left_out).values()) == attention


def test_grouped_convolution_makes_the_stock_training_step_seven_times_too_large() -> None:
    model = timm.create_model("pvt_v2_b1", pretrained=False)
    stock = audit(model, 224, training=True).row("FlopCounterMode")
    assert stock.macs is not None
    assert stock.error_percent is not None
    assert 600 < stock.error_percent < 640
    name, too_much = stock.added[0]
    assert name == "convolution_backward"
    # depthwise convolutions of the FFNs: g groups count g times for the weights' gradient
    expected = 0
    for module, out in _convolutions(model):
        expected += (module.groups - 1) * module.weight.numel() * out
    assert too_much == expected


def _convolutions(model: nn.Module) -> list[tuple[nn.Conv2d, int]]:
    """Convolutions of a model with the number of their output positions at 224 pixels."""
    convolutions: list[tuple[nn.Conv2d, int]] = []
    handles = [
        module.register_forward_hook(
            lambda m, _, out: convolutions.append((m, out.shape[-2] * out.shape[-1]))
        )
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))
    for handle in handles:
        handle.remove()
    return convolutions


@pytest.mark.parametrize(
    ("operators", "training"),
    [
        (["_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention"], False),
        (["convolution_backward"], True),
        (["addmm"], False),
        (["mv"], False),
    ],
    ids=["fused-attention", "convolution-backward", "linear", "matrix-vector"],
)
def test_a_missing_rule_of_the_count_is_found(
    monkeypatch: pytest.MonkeyPatch, operators: list[str], training: bool
) -> None:
    assert audit(Mixed(), (13, 9), mode="repaired", training=training).agrees
    for name in operators:
        monkeypatch.setitem(RULES, getattr(aten, name), lambda *_, **__: 0)
    table = audit(Mixed(), (13, 9), mode="repaired", training=training)
    assert not table.agrees
    assert "FlopCounterMode" in table.mismatches
    if not training:
        assert set(table.mismatches) == set(TOOLS)


def test_the_stock_rule_for_grouped_backward_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.flop_counter import flop_registry

    stock = flop_registry[aten.convolution_backward]
    monkeypatch.setitem(
        RULES, aten.convolution_backward, lambda out, *a, **k: stock(*a, out_val=out, **k) // 2
    )
    table = audit(Mixed(), (13, 9), mode="repaired", training=True)
    assert set(table.mismatches) == set(TOOLS)


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
def test_nothing_is_left_behind(training: bool) -> None:
    model = Mixed().train()
    model.norm.eval()
    spaces = (torch, torch.Tensor, F)
    before = [{k: v for k, v in vars(space).items() if callable(v)} for space in spaces]
    attributes = [dict(vars(module)) for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    fastpath = torch.backends.mha.get_fastpath_enabled()
    for mode in ("as-called", "repaired"):
        audit(model, (13, 9), mode=mode, training=training)  # type: ignore[arg-type]
    for space, functions in zip(spaces, before, strict=True):
        after = {k: v for k, v in vars(space).items() if callable(v)}
        assert after.keys() == functions.keys()
        assert [name for name in functions if after[name] is not functions[name]] == []
    for module, was in zip(model.modules(), attributes, strict=True):
        assert vars(module) == was
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random, torch.get_rng_state())
    assert torch.backends.mha.get_fastpath_enabled() == fastpath


def test_a_broken_tool_is_a_row_with_its_reason(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import fvcore.nn  # noqa: F401
    from ptflops.aten_ops import ATEN_OPS_MAPPING

    def broken(*_: Any, **__: Any) -> int:
        raise ValueError("out of order")

    monkeypatch.setattr(sys.modules["fvcore.nn.flop_count"], "FlopCountAnalysis", broken)
    monkeypatch.setitem(ATEN_OPS_MAPPING, aten.bmm, broken)
    table = audit(Mixed(), (13, 9))
    assert table.row("fvcore").status == "failed: ValueError: out of order"
    assert table.row("fvcore").macs is None
    assert table.row("ptflops (aten)").status.startswith("failed: ")
    assert "out of order" in table.row("ptflops (aten)").status
    assert table.row("FlopCounterMode").status == "ok"
    assert table.agrees
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    assert "failed" in table.to_markdown()


def test_tools_are_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audit(Mixed(), (13, 9))


def test_the_table_as_data() -> None:
    table = audit(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), 8, channels=1, name="small")
    data = json.loads(json.dumps(table.to_json()))
    assert data["name"] == "small"
    assert data["macs"] == 4 * 9 * 36
    assert data["rows"][1]["added"] == {"batch_norm": 2 * 4 * 36}
    assert [row["tool"] for row in data["rows"]] == ["ablate", *TOOLS]
    assert table.to_latex().startswith("\\begin{tabular}")
    assert all(row.seconds is not None and row.version for row in table.rows)


@pytest.mark.parametrize(
    ("equation", "sizes"),
    [
        ("bnc,bmc->bnm", [(2, 5, 3), (2, 7, 3)]),
        ("bn,bnc->bc", [(2, 5), (2, 5, 3)]),
        ("bn,bnc->bc", [(2, 1), (2, 1, 3)]),  # one token: nothing to contract
        ("bnc,bnc->bnc", [(2, 5, 3), (2, 5, 3)]),
        ("...nk,...km->...nm", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("bnk,cm->bncm", [(2, 3, 4), (5, 6)]),
        ("bnc->bn", [(2, 5, 3)]),
    ],
)
def test_einsum_as_pytorch_runs_it(equation: str, sizes: list[tuple[int, ...]]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        torch.einsum(equation, *(torch.ones(size) for size in sizes))
    assert rules.einsum(equation, sizes) == counter.get_total_flops() // 2


@pytest.mark.parametrize(
    "mixer", ["key_only(gate=global)", "key_only(gate=decay)", "sra", "window(size=3)", "linear"]
)
@pytest.mark.parametrize("resolution", [(8, 8), (40, 24)], ids=["one-token", "odd"])
def test_layouts_of_the_suite(mixer: str, resolution: tuple[int, int]) -> None:
    layout = Layout(f"alternate(conv, {mixer})", widths=(16, 32), depths=(2, 2))
    for training in (False, True):
        table = audit(lambda: layout.build(10), resolution, mode="repaired", training=training)
        assert not [row.status for row in table.rows if row.failed]
        assert table.agrees, show(table)
        assert table.macs == getattr(
            layout.cost(resolution, classes=10), "training_macs" if training else "macs"
        )
