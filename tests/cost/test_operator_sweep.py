"""Every operator of aten and torchvision has a place: a rule, a price, nothing to do, or a reason."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torchvision
from torch._ops import OpOverload

from ablate.cost.counting import _composite
from ablate.cost.operators import names
from ablate.cost.operators.classes import Work, classify
from ablate.cost.operators.rules import rule_of


def every_operator() -> list[OpOverload]:
    assert torchvision.__version__
    operators = []
    for name in sorted(torch._C._dispatch_get_all_op_names()):
        space, _, rest = name.partition("::")
        if space in ("aten", "torchvision"):
            packet, _, overload = rest.partition(".")
            operators.append(getattr(getattr(getattr(torch.ops, space), packet), overload or "default"))
    return operators


def place(operator: OpOverload) -> str:
    if rule_of(operator) is not None:
        return "contraction"
    if _composite(operator):
        return "composition"  # never counted itself: it is taken apart into others
    return classify(operator).value


def test_every_operator_has_a_place() -> None:
    places = {str(operator): place(operator) for operator in every_operator()}
    assert [name for name, group in places.items() if group == "unknown"] == []
    numbers = Counter(places.values())
    assert len(places) > 2500
    assert min(numbers[kind] for kind in ("contraction", "pointwise", "reduction", "priced", "move")) > 40


PRODUCTS = {
    "mm",
    "bmm",
    "addmm",
    "baddbmm",
    "addbmm",
    "matmul",
    "mv",
    "addmv",
    "dot",
    "vdot",
    "addr",
    "linear",
}
PRODUCTS |= {
    "attention",
    "conv2d",
    "conv3d",
    "convolution",
    "cdist",
    "pdist",
    "rnn",
    "lstm",
    "gru",
    "trilinear",
}


def test_what_sounds_like_a_contraction_is_one() -> None:
    """No name of a product hides among the operators that are free of contractions."""
    suspects = {
        operator.overloadpacket.__name__
        for operator in every_operator()
        if place(operator) not in ("contraction", "composition", "hidden")
        and PRODUCTS & set(operator.overloadpacket.__name__.split("_"))
    }
    assert suspects == {
        "_thnn_fused_lstm_cell",  # the gates alone; the products come before
        "_thnn_fused_lstm_cell_backward_impl",
        "_thnn_fused_gru_cell",
        "_thnn_fused_gru_cell_backward",
        "_cudnn_rnn_flatten_weight",
        "mkldnn_reorder_conv2d_weight",
        "mkldnn_reorder_conv3d_weight",
    }


def test_hidden_contractions_have_a_reason_and_are_reported() -> None:
    for name, reason in names.HIDDEN.items():
        assert len(reason.split()) > 5, name
        packet = getattr(torch.ops.aten, name, None)
        if packet is not None:
            assert classify(getattr(packet, packet.overloads()[0])) is Work.HIDDEN


@pytest.mark.parametrize("listed", ["FREE", "MOVE", "POINTWISE", "REDUCTION"])
def test_no_operator_is_listed_twice(listed: str) -> None:
    operators = getattr(names, listed).split()
    assert len(operators) == len(set(operators))
    for other in {"FREE", "MOVE", "POINTWISE", "REDUCTION"} - {listed}:
        assert not set(operators) & set(getattr(names, other).split())
    assert not set(operators) & set(names.HIDDEN)
