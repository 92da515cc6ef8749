"""The models that are counted are predicted too, and a prediction is what the CPU then holds."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

from ablate.cost.memory.predict import predict_memory
from ablate.cost.memory.trace import trace_memory
from ablate.errors import AblateError


@dataclass
class Output:
    logits: torch.Tensor


class Net(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.lock = threading.Lock() if kind == "lock" else None
        self.stem, self.qkv, self.head = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 96), nn.Linear(32, 10)
        if kind == "lazy":
            self.head = nn.LazyLinear(10)

    def forward(self, x):
        tokens = self.stem(x).flatten(2).transpose(1, 2)
        if self.kind == "flex":
            q, k, v = self.qkv(tokens).reshape(len(tokens), -1, 3, 2, 16).permute(2, 0, 3, 1, 4)
            tokens = flex_attention(q, k, v).transpose(1, 2).flatten(2)
        logits = self.head(tokens.mean(1))
        if self.kind == "looks" and logits.sum() > 1e9:
            return -logits
        if self.kind == "cond":
            return torch.cond(logits.sum() > 1e9, lambda y: -y, lambda y: y * 2, (logits,))
        return Output(logits) if self.kind == "object" else logits


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "ran_on"),
    [
        *((kind, "meta") for kind in ("plain", "object", "lock", "lazy", "flex")),
        *((kind, "cpu") for kind in ("looks", "cond")),
    ],
)
def test_a_prediction_is_what_a_run_holds(kind: str, ran_on: str) -> None:
    model = Net(kind)
    weights = [weight for weight in model.parameters() if not nn.parameter.is_lazy(weight)]
    before = [weight.clone() for weight in weights]
    prediction = predict_memory(model, 32, batch=2)
    assert prediction.ran_on == ran_on
    assert all(torch.equal(old, new) for old, new in zip(before, weights, strict=True))
    if kind == "lazy":
        model(torch.zeros(2, 3, 32, 32))
    assert prediction.memory == trace_memory(model, torch.zeros(2, 3, 32, 32))


@pytest.mark.filterwarnings("ignore")
def test_scripted_models_are_predicted_on_the_cpu() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    prediction = predict_memory(torch.jit.script(plain), 8)
    assert (prediction.ran_on, prediction.memory.weights) == ("cpu", 4 * (224 + 8 * 36 * 4 + 4))


def test_what_cannot_run_is_an_error() -> None:
    with pytest.raises(AblateError, match="cannot be predicted: Given groups=1"):
        predict_memory(nn.Conv2d(5, 8, 1), 8)
