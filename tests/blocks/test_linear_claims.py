"""What the mixers with linear work claim together: no N x N tensor, work linear in N, fixed summaries."""

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import blocks
from ablate.cost import count
from blocks.softmax import SoftmaxAttention

EVERYTHING = {"gate": True, "rope": True, "lepe": 3}
LINEAR = [
    ("separable", {}),
    ("additive", {}),
    ("hsm_ssd", {}),
    ("rala", {}),
    ("rala", EVERYTHING),
    ("mala", {}),
    ("mala", EVERYTHING),
    ("mila", {}),
    ("mila", {**EVERYTHING, "conv": 3}),
    ("focused", {"lepe": 5}),
    ("agent", {}),
    ("neighbourhood", {"window": 3, "relative_bias": True}),
    ("ss2d", {"conv": 3, "gate": True}),
]
linear = pytest.mark.parametrize(
    ("name", "arguments"), LINEAR, ids=["-".join([name, *map(str, arguments)]) for name, arguments in LINEAR]
)


def build(name, arguments, dim=16, heads=2):
    with torch.device("meta"):
        return blocks.get(name, "mixer").build({"dim": dim, "num_heads": heads}, arguments)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operator made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return out


def largest_tensor(block, side):
    x = torch.empty(1, 16, side, side, device="meta", requires_grad=True)
    with Largest() as largest:
        block.to("meta")(x).sum().backward()
    return largest.elements


@linear
def test_no_tensor_has_n_times_n_elements(name, arguments):
    """Four times the tokens make the largest tensor, forward and backward, four times as large."""
    block, side = build(name, arguments), 48
    small, large = largest_tensor(block, side), largest_tensor(block, 2 * side)
    assert large == 4 * small
    assert small < (side * side) ** 2
    assert largest_tensor(SoftmaxAttention(16, 2), side) >= (side * side) ** 2  # what the check looks for


@linear
@pytest.mark.parametrize("quantity", ["macs", "elementwise", "bytes"])
def test_work_is_exactly_linear_in_n(name, arguments, quantity):
    block = build(name, arguments)
    at = [getattr(count(block, (8, width), channels=16), quantity) for width in (8, 16, 24, 32)]
    steps = {after - before for before, after in itertools.pairwise(at)}
    assert len(steps) == 1
    assert steps.pop() > 0


@pytest.mark.parametrize(
    ("name", "arguments", "numbers"),
    [
        ("key_only", {}, 64),
        ("separable", {}, 64),
        ("additive", {}, 64),
        ("hsm_ssd", {}, 64 * 64),
        ("hsm_ssd", {"state": 8}, 8 * 64),
        ("rala", {}, 64 * 16),
        ("mala", {}, 64 * 16 + 64),
        ("mila", {}, 64 * 16),
        ("focused", {}, 64 * 16),
        ("agent", {}, 2 * 49 * 64),
        ("agent", {"agents": 3}, 2 * 9 * 64),
        ("neighbourhood", {}, 2 * 49 * 64),
        ("neighbourhood", {"window": 3}, 2 * 9 * 64),
        ("ss2d", {}, 4 * 64 * 16),
        ("ss2d", {"state": 1, "expand": 2.0}, 4 * 128),
    ],
)
def test_summary_size_does_not_grow_with_the_image(name, arguments, numbers):
    summary_size = blocks.get(name, "mixer").cls.summary_size
    assert [summary_size(64, 4, tokens, **arguments) for tokens in (196, 3136)] == [numbers, numbers]


def test_a_small_map_has_a_small_neighbourhood():
    assert blocks.get("neighbourhood", "mixer").cls.summary_size(64, 4, 9) == 2 * 9 * 64
