"""The selective scan against a loop over tokens, its gradients included, whatever the pieces and chunks."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blocks import selective_scan as module
from blocks.selective_scan import selective_scan


def loop(u, delta, a, b, c):
    """The definition, token by token."""
    state, outputs = 0, []
    for t in range(u.shape[2]):
        decay = torch.exp(delta[:, :, t, :, None] * a)
        state = decay * state + (delta * u)[:, :, t, :, None] * b[:, :, t, None, :]
        outputs.append((state * c[:, :, t, None, :]).sum(-1))
    return torch.stack(outputs, dim=2)


def arguments(samples, sequences, tokens, channels, states, dtype=torch.float64):
    u = torch.randn(samples, sequences, tokens, channels, dtype=dtype)
    delta = torch.rand_like(u)
    a = -torch.rand(sequences, channels, states, dtype=dtype) - 0.1
    b, c = torch.randn(2, samples, sequences, tokens, states, dtype=dtype)
    return [t.requires_grad_() for t in (u, delta, a, b, c)]


@pytest.mark.parametrize("tokens", [1, 2, 7, 63, 100])
@pytest.mark.parametrize(
    ("piece", "step"),
    [(2**18, 4096), (2**18, 1), (1, 4096), (1, 1), (500, 4096)],
    ids=["one piece in chunks", "one piece", "pieces in chunks", "pieces", "pieces of several samples"],
)
def test_equals_a_loop(monkeypatch, piece, step, tokens):
    monkeypatch.setattr(module, "PIECE", piece)
    monkeypatch.setattr(module, "STEP", step)
    monkeypatch.setattr(module, "SHORTEST", 5)
    inputs = arguments(3, 2, tokens, 5, 4)
    ours, theirs = selective_scan(*inputs), loop(*inputs)
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(ours)
    for got, expected in zip(
        torch.autograd.grad(ours, inputs, upstream),
        torch.autograd.grad(theirs, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


def test_the_operator_is_a_good_citizen():
    """PyTorch's own checks: schema, shapes without data, autograd, tracing."""
    torch.library.opcheck(selective_scan, arguments(2, 2, 9, 3, 2))


def test_macs_stand_in_pytorchs_table():
    inputs = arguments(2, 4, 60, 8, 3)
    macs = 2 * (2 * 4 * 60 * 8 * 3)
    with FlopCounterMode(display=False) as forward:
        y = selective_scan(*inputs)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    assert forward.get_total_flops() == 2 * macs
    assert backward.get_total_flops() == 4 * macs


def test_long_memory_stays_finite():
    """Decays so strong and so weak that quotients of their products would overflow."""
    u, delta, _, b, c = arguments(1, 1, 4096, 2, 2, torch.float32)
    a = torch.tensor([[[-1e-6, -1e3], [-1.0, -30.0]]], requires_grad=True)
    y = selective_scan(u, delta, a, b, c)
    y.square().mean().backward()
    assert y.isfinite().all()
    assert a.grad.isfinite().all()
    torch.testing.assert_close(y, loop(u, delta, a, b, c), rtol=1e-3, atol=1e-3)
