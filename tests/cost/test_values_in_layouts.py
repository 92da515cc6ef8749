"""A block that looks at values stands in a layout as any other: it is run on the CPU."""

from __future__ import annotations

import torch
from torch import nn

import blocks
from ablate import Layout
from ablate.cost import layout_cost
from ablate.cost.formula.find import formulas
from ablate.cost.parts import forget


class Looks(nn.Module):
    """Convolution, whose sign depends on the values."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return -y if y.sum() > 1e9 else y


class Plain(Looks):
    """The same without the look."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class Hides(Looks):
    """Holds work that has no number of MACs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + torch.linalg.svdvals(x.flatten(2)).sum()


def test_a_block_that_looks_at_values() -> None:
    blocks.register("mixer", "looks_at_values")(Looks)
    blocks.register("mixer", "looks_at_nothing")(Plain)
    costs = [
        layout_cost(Layout(name, widths=(16, 24), depths=(1, 1)), 32, classes=10)
        for name in ("looks_at_values", "looks_at_nothing")
    ]
    looks, plain = (cost.to_json() for cost in costs)
    for quantity in ("params", "macs", "training_macs", "activations"):
        assert looks[quantity] == plain[quantity]
    for kernel in ("fused", "math"):
        for peak in ("inference_peak", "saved_activations", "training_peak"):
            assert 0 <= looks["memory"][kernel][peak] - plain["memory"][kernel][peak] <= 64
    assert {link.cost.ran_on for link in costs[0].source.links} == {"meta", "cpu"}
    forget()


def test_a_missing_formula_has_a_reason() -> None:
    blocks.register("mixer", "looks_at_values")(Looks)
    blocks.register("mixer", "hides_work")(Hides)
    looks = formulas("looks_at_values", ("params", "macs"))
    assert str(looks["params"]) == "C**2 + C"
    assert str(looks["macs"]) == "no closed form"
    assert looks["macs"].reason.startswith("the block does not run without data")
    hides = formulas("hides_work", ("params", "macs", "elementwise"))
    assert (str(hides["macs"]), hides["macs"].order) == ("uncounted", "uncounted")
    assert hides["macs"].reason == "operators without a counting rule: aten._linalg_svd"
