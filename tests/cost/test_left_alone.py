"""The module that is counted is left as it is, also where it cannot be copied."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import torch
from torch import nn

from ablate.cost import count

POINT = 3 * 8 * 1024  # MACs at 32 x 32


def conv(dim: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(dim, out, 1)


class Box:
    def __init__(self, **held) -> None:
        self.__dict__.update(held)


class Uncopyable(nn.Module):
    """Holds a lock and a graph, draws random numbers, and keeps what it saw in every way it can."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.lock, self.looks = threading.Lock(), looks
        self.conv, self.norm, self.drop = conv(3, 8), nn.BatchNorm2d(8), nn.Dropout(0.5)
        self.gain = nn.Parameter(torch.ones(8))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.box = Box(graph=self.gain * 2, listed=[torch.ones(1)], pair=(torch.ones(1), 3))
        self.calls, self.seen, self.log = 0, {}, []
        self.conv.register_forward_hook(lambda module, args, out: out + 0)

    def forward(self, x):
        with self.lock:
            y = self.conv(x)
        self.calls, self.last = self.calls + 1, y
        self.seen["y"], self.box.extra = y, y
        self.log.append(y)
        y = self.drop(self.norm(y)) * self.box.graph.view(1, 8, 1, 1) * self.box.listed[0] * self.box.pair[0]
        y = y + torch.randn(1, device=y.device) + random.random() + np.random.rand()
        return -y if self.looks and y.sum() > 1e9 else y


def state(model: nn.Module) -> list:
    tensors = [*model.parameters(), *model.buffers()]
    return [
        [
            (id(tensor), tensor.tolist(), tensor.requires_grad, tensor._version, tensor.grad)
            for tensor in tensors
        ],
        [{name: id(value) for name, value in vars(layer).items()} for layer in model.modules()],
        [
            (layer.training, list(layer._forward_hooks), list(layer._forward_pre_hooks))
            for layer in model.modules()
        ],
        (dict(vars(model.box)), model.calls, dict(model.seen), list(model.log)),
        (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),
    ]


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_a_module_that_cannot_be_copied_is_counted_and_left_alone(looks: bool, training: bool) -> None:
    model = Uncopyable(looks)
    model.norm.eval()
    before = state(model)
    counted = count(model, 32, training=training)
    assert (counted.macs, counted.ran_on) == (POINT * (1 + training), "cpu" if looks else "meta")
    assert state(model) == before


def test_a_copy_does_not_reach_its_original_through_a_closure() -> None:
    def net(looks: bool) -> nn.Module:
        norm = nn.BatchNorm2d(8)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.norm, self.run = conv(3, 8), norm, lambda y: norm(y)

            def forward(self, x):
                y = self.run(self.conv(x))
                return -y if looks and y.sum() > 1e9 else y

        return Net()

    for model in (net(False), net(True)):
        assert count(model, 32, training=True, batch=2).macs == 4 * POINT
        assert model.norm.num_batches_tracked == 0
