"""The selective scan as a loop over tokens, for which ONNX has an operator."""

from __future__ import annotations

from torch import Tensor


def token_by_token(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """What `blocks.selective_scan.selective_scan` gives, of the same tensors."""
    from torch._higher_order_ops.scan import scan  # takes a while, and is asked for by an export alone

    def step(state: Tensor, token: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        u, delta, b, c = token  # (B, K, D), (B, K, D), (B, K, S), (B, K, S)
        state = (delta.unsqueeze(-1) * a).exp() * state + (delta * u).unsqueeze(-1) * b.unsqueeze(2)
        return state, (state * c.unsqueeze(2)).sum(-1)

    start = u.new_zeros(u.shape[0], u.shape[1], u.shape[3], a.shape[2])  # (B, K, D, S)
    y: Tensor = scan(step, start, tuple(part.movedim(2, 0) for part in (u, delta, b, c)), dim=0)[1]
    return y.movedim(0, 2)
