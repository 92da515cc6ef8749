"""A training step ends wherever its output does, and what is recomputed is told apart."""

from __future__ import annotations

import collections
import functools
import types
from dataclasses import dataclass

import pytest
import timm
import torch
from torch import distributions, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from ablate.cost import count
from ablate.errors import AblateError

FIRST, SECOND = 3 * 8 * 1024, 8 * 4 * 1024
STEP = 3 * (FIRST + SECOND) - FIRST


@dataclass
class Output:
    logits: object


@dataclass(frozen=True, slots=True)
class Slotted:
    logits: object


class Wrapped:
    def __init__(self, logits) -> None:
        self._logits, self.itself = logits, self

    @property
    def logits(self):
        return self._logits


class Net(nn.Module):
    def __init__(self, wrap) -> None:
        super().__init__()
        self.first, self.second, self.wrap = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1), wrap

    def forward(self, x):
        return self.wrap(self.second(self.first(x)))


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "wrap",
    [
        Output,
        Slotted,
        Wrapped,
        lambda y: {"a": [Output({"b": (y,)})]},
        lambda y: Pair(1, y),
        lambda y: types.SimpleNamespace(y=y),
        lambda y: collections.deque([y]),
        lambda y: collections.UserDict(y=y),
        lambda y: (item for item in [y]),
        lambda y: lambda: y,
        lambda y: functools.partial(torch.add, y),
        lambda y: {"y": y, "names": "text", "sizes": range(10**12)},
        lambda y: distributions.Normal(y, 1.0),
        lambda y: distributions.Categorical(logits=y),
        lambda y: distributions.Independent(distributions.Normal(y, y.exp()), 1),
    ],
)
def test_the_end_is_found_in_any_output(wrap) -> None:
    assert count(Net(wrap), 32, training=True).macs == STEP


@pytest.mark.parametrize(
    "wrap", [torch.Tensor.detach, lambda y: y.argmax(1), lambda y: None, lambda y: "label"]
)
def test_no_end_is_an_error_and_never_a_forward_count(wrap) -> None:
    with pytest.raises(AblateError, match="trainable parameters, but nothing that it returns"):
        count(Net(wrap), 32, training=True)
    assert count(Net(wrap), 32).macs == FIRST + SECOND


def test_frozen_networks_need_no_end() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1))
    model[0].requires_grad_(False)
    assert count(model, 32, training=True).macs == FIRST + 2 * SECOND
    assert count(model.requires_grad_(False), 32, training=True).macs == FIRST + SECOND
    assert count(nn.ReLU(), 32, training=True).macs == 0


class Checkpointed(nn.Module):
    def __init__(self, kind: str, outer: bool, inner: bool) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.kind, self.outer, self.inner = kind, outer, inner

    def forward(self, x):
        x = self.stem(x)
        weight = self.a.weight
        if self.kind == "sequence":
            layers = nn.Sequential(self.a, nn.ReLU(), self.b, nn.ReLU())
            return checkpoint_sequential(layers, 2, x, use_reentrant=self.outer)
        if self.kind == "plain":
            return checkpoint(lambda y: self.b(self.a(y)), x, use_reentrant=self.outer)

        def nested(y):
            convolve = functools.partial(torch.conv2d, weight=weight, padding=1)
            return checkpoint(convolve, y, use_reentrant=self.inner) + self.b(y)

        return checkpoint(nested, x, use_reentrant=self.outer)


@pytest.mark.filterwarnings("ignore:None of the inputs")
@pytest.mark.parametrize("kind", ["plain", "sequence", "nested"])
@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_recomputation_is_told_apart(kind: str, outer: bool, inner: bool) -> None:
    model = Checkpointed(kind, outer, inner)
    inside = 8 * 8 * 10 * 1024
    counted = count(model, 32, training=True)
    assert counted.macs == 3 * (FIRST + inside) - FIRST
    assert counted.recomputed >= 8 * 8 * 9 * 1024
    assert count(model, 32).recomputed == 0
    assert sum(tally.macs for tally in counted.by_operator.values()) == counted.macs


@pytest.mark.parametrize("name", ["resnet18", "deit_tiny_patch16_224"])
def test_checkpointed_models_of_timm_cost_what_they_cost_without(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    plain = count(model, 224, training=True)
    model.set_grad_checkpointing(True)
    checkpointed = count(model, 224, training=True)
    assert checkpointed.ran_on == "meta"
    assert plain.recomputed == 0 < checkpointed.recomputed <= plain.by_module[""].macs
    for quantity in ("macs", "elementwise", "bytes", "activations"):
        assert getattr(plain, quantity) == getattr(checkpointed, quantity)
