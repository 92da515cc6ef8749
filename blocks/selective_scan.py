"""The selective scan of Mamba as one operator: chunked, linear in N, with its exact number of MACs.

h_t = exp(delta_t a) h_{t-1} + delta_t u_t b_t and y_t = <h_t, c_t>, for every channel by itself, with S
states a channel (Gu & Dao, 2023, eq. 2, discretised as in their code: exact for a, first order for b).

The tokens are taken in pieces small enough for a cache, and the states are handed on from piece to piece.
Within a piece states are updated token by token, or, where one token is too little work for an operator,
in sqrt(T) chunks at once which then hand on their last states. The backward pass makes the states again,
piece by piece from the end, so that N S numbers a channel are never kept for it. The operator is
`torch.ops.blocks.selective_scan`; its MACs stand in PyTorch's own table (`torch.utils.flop_counter`): one for
the state and one for the sum over states, 2NS a channel, and twice that in the backward pass (nothing
recomputed counts), however the scan is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

PIECE = 2**18
"""Numbers in the largest tensor of a piece: 1 MB of float32."""
SHORTEST = 16
"""Tokens in a piece at least, so that the states at its start are a small part of all."""
STEP = 4096
"""Numbers in one token's states below which a piece is scanned in chunks."""


@torch.library.custom_op("blocks::selective_scan", mutates_args=())
def selective_scan(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Scan K sequences of every sample: u, delta `(B, K, N, D)`, a `(K, D, S)`, b, c `(B, K, N, S)`.

    Gives y, `(B, K, N, D)`. `a` should be negative, or states grow. All tensors have one floating point type.
    """
    y = torch.empty_like(u, memory_format=torch.contiguous_format)
    for samples, pieces in _pieces(u, a):
        state = u.new_zeros(())
        for piece in pieces:
            at = (samples, slice(None), piece)
            states = _states(u[at], delta[at], a, b[at], state)[1]
            y[at] = (c[at].unsqueeze(-2) @ states).squeeze(-2)
            state = states[:, :, -1]
    return y


@torch.library.custom_op("blocks::selective_scan_backward", mutates_args=())
def _backward(
    grad: Tensor, u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients for u, delta, a, b and c. The adjoint of the states is a scan from the last token."""
    inputs = u, delta, a, b, c
    du, ddelta, da, db, dc = (torch.zeros_like(t, memory_format=torch.contiguous_format) for t in inputs)
    for samples, pieces in _pieces(u, a):
        starts = [u.new_zeros(())]
        for piece in pieces[:-1]:
            at = (samples, slice(None), piece)
            starts.append(_states(u[at], delta[at], a, b[at], starts[-1])[1][:, :, -1].clone())
        carry = u.new_zeros(())  # what later tokens say of the last state of a piece
        for piece, start in zip(reversed(pieces), reversed(starts), strict=True):
            at = (samples, slice(None), piece)
            decay, states = _states(u[at], delta[at], a, b[at], start)
            dc[at] = (states @ grad[at].unsqueeze(-1)).squeeze(-1)
            adjoint = grad[at].unsqueeze(-2) * c[at].unsqueeze(-1)
            adjoint[:, :, -1] += carry
            adjoint = _scan(F.pad(decay[:, :, 1:], (0, 0, 0, 0, 0, 1)), adjoint, backwards=True)
            carry = decay[:, :, 0] * adjoint[:, :, 0]
            pulse = delta[at] * u[at]
            db[at] = (adjoint @ pulse.unsqueeze(-1)).squeeze(-1)
            into_pulse = (b[at].unsqueeze(-2) @ adjoint).squeeze(-2)
            du[at] = into_pulse * delta[at]
            # The derivative of h_t by the exponent delta_t a is what is left of the state before.
            adjoint[:, :, 1:] *= decay[:, :, 1:].mul_(states[:, :, :-1])
            adjoint[:, :, 0] *= decay[:, :, 0] * start
            da += (adjoint * delta[at].unsqueeze(-2)).sum((0, 2)).transpose(1, 2)
            adjoint *= a.transpose(1, 2).unsqueeze(1)
            ddelta[at] = adjoint.sum(-2).addcmul_(into_pulse, u[at])
    return du, ddelta, da, db, dc


def _pieces(u: Tensor, a: Tensor) -> Iterator[tuple[slice, list[slice]]]:
    """Groups of samples, and for each the pieces of the sequence, in order."""
    samples, _, length, _ = u.shape
    group = max(1, min(samples, PIECE // (SHORTEST * a.numel())))
    tokens = max(SHORTEST, PIECE // (group * a.numel()))
    pieces = [slice(first, min(first + tokens, length)) for first in range(0, length, tokens)]
    for first in range(0, samples, group):
        yield slice(first, first + group), pieces


def _states(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The decays exp(delta a) and the states of a piece, each `(B, K, T, S, D)`, from the state before it."""
    decay = (delta.unsqueeze(-2) * a.transpose(1, 2).unsqueeze(1).contiguous()).exp_()
    states = (delta * u).unsqueeze(-2) * b.unsqueeze(-1)
    states[:, :, 0] += decay[:, :, 0] * start
    return decay, _scan(decay, states)


def _scan(decay: Tensor, states: Tensor, *, backwards: bool = False) -> Tensor:
    """h_t + decay_t h_{t-1} for t = 1, 2, ..., or h_{t+1} for t = T - 2, ..., 0; `states` is overwritten."""
    length = states.shape[2]
    if length == 1 or states[:, :, 0].numel() >= STEP:
        tokens, decays = states.unbind(2), decay.unbind(2)
        for t, before in _order(length, backwards):
            tokens[t].addcmul_(decays[t], tokens[before])
        return states
    chunk = math.isqrt(length - 1) + 1
    spare = (0, 0, 0, 0, 0, -length % chunk)
    shape = (*states.shape[:2], -1, chunk, *states.shape[3:])  # (B, K, chunks, chunk, S, D)
    chunks, reach = F.pad(states, spare).view(shape), F.pad(decay, spare).view(shape).clone()
    tokens, reaches = chunks.unbind(3), reach.unbind(3)
    for t, before in _order(chunk, backwards):
        tokens[t].addcmul_(reaches[t], tokens[before])
        reaches[t].mul_(reaches[before])
    edge = slice(0, 1) if backwards else slice(chunk - 1, chunk)
    for number, before in _order(chunks.shape[2], backwards):
        chunks[:, :, number].addcmul_(reach[:, :, number], chunks[:, :, before, edge])
    return chunks.flatten(2, 3).narrow(2, 0, length)


def _order(length: int, backwards: bool) -> Iterator[tuple[int, int]]:
    """The places in the order of a scan, each with the one before it."""
    places = range(length - 1, -1, -1) if backwards else range(length)
    return ((after, before) for before, after in pairwise(places))


@selective_scan.register_fake
def _(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.empty_like(u, memory_format=torch.contiguous_format)


@_backward.register_fake
def _(grad: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs)


def _remember(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
    gradients: tuple[Tensor, ...] = _backward(grad, *ctx.saved_tensors)
    return gradients


selective_scan.register_autograd(_differentiate, setup_context=_remember)


@register_flop_formula(torch.ops.blocks.selective_scan)
def _flops(u: Any, delta: Any, a: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * 2 * int(math.prod(u) * a[-1])  # two operations a multiply-accumulate


@register_flop_formula(torch.ops.blocks.selective_scan_backward)
def _flops_backward(grad: Any, u: Any, delta: Any, a: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * 2 * 2 * int(math.prod(u) * a[-1])
