"""Key-only attention: a saliency gate on the keys takes the place of query-key products.

A reconstruction: of the paper (Li & Liu, 2022, arXiv 2207.00188) this project had only the abstract,
which says that query-key pairs are dropped, that a saliency gate gives the attention weights, and that
the complexity is linear in the input size. Every choice beyond that is an argument here, so that it can
be ablated.

K = X W_K, V = X W_V, and the gate U = V, or U = X W_U with `gate_proj`. The saliency s_j of token j in
head h is

* `additive`: <tanh(k_j), w_h> + b_h, additive attention (Bahdanau et al., 2015) without its query.
* `linear`: <k_j, w_h> + b_h. K serves the saliency alone, so W_K and w_h are one vector of C numbers a head,
  and are kept as that vector: no key is computed.

The output is (SiLU(U) * Y + V) W_O, where Y_i is a weighted mean of the values; its weights depend on the
keys and, at most, on the offset j - i:

* `window`: a = sigmoid(s). The first ceil(h/2) heads: sum_j a_j v_j / sum_j a_j over all tokens. The other
  heads: the same over the w x w window around token i. Local and global reach.
* `global`: sum_j softmax_j(s) v_j, the same for every token. Global reach.
* `decay`: e = exp(s), b = exp(p) - 1 for a static bias p on a k x k neighbourhood: (sum_j e_j v_j +
  sum_{j near i} b_{j-i} e_j v_j) / (the same with v = 1). Local and global reach; the form is that of
  AFT-conv (Zhai et al., 2021).

No N x N matrix is formed, and no work grows faster than N.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.sizes import head_dim, odd
from blocks.tokens import to_map, to_tokens

Saliency = Literal["additive", "linear"]
Gate = Literal["window", "global", "decay"]


@register("mixer", "key_only")
class KeyOnlyAttention(nn.Module):
    """Key-only attention (reconstruction of Li & Liu, 2022): linear in N, with three kinds of saliency gate.

    MACs: 3NC^2 + NC for the projections and the `additive` saliency, or 2NC^2 + NCh for the `linear` one;
    plus NC^2 with `gate_proj`; plus for the weighted means NC (`global`), NC/2 + wNC (`window`, for an even
    number of heads) or NC + k^2 N(C + h) (`decay`). Normalisers and tanh are element-wise work. `window` and
    `kernel` are the odd sides of the neighbourhoods of the gates `window` and `decay`, without effect on
    other gates. `b_h` is without effect under `global` and `decay`, whose weights do not change when a
    constant is added to s.
    """

    family: ClassVar[str] = "key-only attention"
    caveat: ClassVar[str] = "a reconstruction from the abstract of arXiv 2207.00188, not the authors' code"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        saliency: Saliency = "additive",
        gate: Gate = "window",
        gate_proj: bool = False,
        window: int = 7,
        kernel: int = 7,
        qkv_bias: bool = True,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        if saliency not in ("additive", "linear"):
            raise ValueError(f"saliency must be 'additive' or 'linear', got {saliency!r}")
        if gate not in ("window", "global", "decay"):
            raise ValueError(f"gate must be 'window', 'global' or 'decay', got {gate!r}")
        if gate == "window" and num_heads < 2:
            raise ValueError(
                "gate='window' needs at least two heads, one global and one local, got num_heads 1; "
                "gate='global' and gate='decay' work with one"
            )
        self.gate = gate
        self.window = odd("window", window)
        self.kernel = odd("kernel", kernel)
        self.keys = saliency == "additive"
        # K (if the saliency needs it), V and perhaps U
        self.kv = nn.Linear(dim, (self.keys + 1 + gate_proj) * dim, bias=qkv_bias)
        if self.keys:
            self.saliency = nn.Parameter(normal(num_heads, self.head_dim, std=self.head_dim**-0.5))
        else:  # of the size of W_K w_h, when a model starts its W_K at 0.02
            self.saliency = nn.Parameter(normal(num_heads, dim, std=0.02))
        self.saliency_bias = nn.Parameter(torch.zeros(num_heads))
        if gate == "decay":
            self.position_bias = nn.Parameter(normal(num_heads, 1, kernel, kernel, std=0.02))
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        C, H, W = x.shape[1:]
        tokens = to_tokens(x)
        parts = self.kv(tokens).split(C, dim=2)
        v, u = parts[int(self.keys)], parts[-1]  # each (B, N, C); U is V if it has no projection
        s = self._saliency(self._heads(parts[0]).tanh() if self.keys else tokens)
        return to_map(self.proj(self._mix(s, v, F.silu(u), H, W)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """A weighted mean of the values: C numbers, whatever the gate."""
        return dim

    def _heads(self, tokens: Tensor) -> Tensor:
        """`(B, N, C)` -> `(B, N, h, d)`, a view."""
        return tokens.view(*tokens.shape[:2], self.num_heads, self.head_dim)

    def _saliency(self, k: Tensor) -> Tensor:
        """`(B, h, N)` from tanh(K), `(B, N, h, d)`, or for the linear form from the tokens `(B, N, C)`."""
        s = torch.einsum("bnhd,hd->bhn", k, self.saliency) if self.keys else self.saliency @ k.transpose(1, 2)
        # At least float32 for the weights: half precision loses sums over many tokens.
        return s.to(torch.promote_types(s.dtype, torch.float32)) + self.saliency_bias[:, None]

    def _mix(self, s: Tensor, v: Tensor, gate: Tensor, H: int, W: int) -> Tensor:
        """gate * Y + v: saliency `(B, h, N)`, values and gate `(B, N, C)` -> `(B, N, C)`."""
        heads = self._heads(v)
        if self.gate == "global":
            return torch.addcmul(v, gate, _mean(s.softmax(-1), heads).flatten(2))
        if self.gate == "decay":
            y = _decay_mean(s.softmax(-1), heads, H, W, self.position_bias)
            return torch.addcmul(v, gate, y.flatten(2))
        far = (self.num_heads + 1) // 2
        log_a = F.logsigmoid(s)
        y_far = _mean(log_a[:, :far].softmax(-1), heads[:, :, :far])  # softmax(log a) = a / sum a, but safe
        y_near = _window_mean(log_a[:, far:], heads[:, :, far:], H, W, self.window)
        ends = far * self.head_dim
        return torch.cat(
            [
                torch.addcmul(v[..., :ends], gate[..., :ends], y_far.flatten(2)),
                torch.addcmul(v[..., ends:], gate[..., ends:], y_near.flatten(2)),
            ],
            dim=2,
        )


def _mean(weights: Tensor, v: Tensor) -> Tensor:
    """sum_j weights_j v_j over all tokens: `(B, h, N)`, `(B, N, h, d)` -> `(B, 1, h, d)`."""
    return (weights.to(v.dtype).unsqueeze(2) @ v.transpose(1, 2)).transpose(1, 2)


def _weighted_map(weights: Tensor, v: Tensor, H: int, W: int) -> Tensor:
    """weights_j v_j as a channels-last map: `(B, h, N)`, `(B, N, h, d)` -> `(B, h*d, H, W)`."""
    return to_map((v * _per_token(weights, v)).flatten(2), H, W)


def _per_token(weights: Tensor, v: Tensor) -> Tensor:
    """One number per head and token, in v's precision: `(B, h, N)` -> `(B, N, h, 1)`, to multiply v with."""
    return weights.transpose(1, 2).unsqueeze(-1).to(v.dtype)


def _window_mean(log_a: Tensor, v: Tensor, H: int, W: int, window: int) -> Tensor:
    """sum_j a_j v_j / sum_j a_j over the window around each token: `(B, h, N)`, `(B, N, h, d)` -> v's shape.

    The sums of values are two depthwise convolutions with ones, along the rows and along the columns: 2w
    instead of w^2 operations, counted like any contraction, and faster than average pooling.
    """
    # A common factor cancels. With this one the largest weight is 1, and no window's weights vanish.
    a = (log_a - log_a.detach().amax(-1, keepdim=True)).exp().clamp_min(torch.finfo(v.dtype).tiny)
    sums, half = _weighted_map(a, v, H, W), window // 2
    channels = sums.shape[1]
    ones = sums.new_ones(channels, 1, 1, window)
    sums = F.conv2d(sums, ones, padding=(0, half), groups=channels)
    sums = F.conv2d(sums, ones.transpose(2, 3), padding=(half, 0), groups=channels)
    if torch.compiler.is_exporting():  # ONNX leaves `divisor_override` out without a word
        total = F.avg_pool2d(a.view(*a.shape[:2], H, W), window, 1, half) * window**2
    else:
        total = F.avg_pool2d(a.view(*a.shape[:2], H, W), window, 1, half, divisor_override=1)
    return to_tokens(sums).view(v.shape) * _per_token(total.reciprocal().flatten(2), v)


def _decay_mean(weights: Tensor, v: Tensor, H: int, W: int, position_bias: Tensor) -> Tensor:
    """The mean of the `decay` gate from weights that sum to 1: `(B, h, N)`, `(B, N, h, d)` -> v's shape.

    Both sums of the definition are divided by sum_j e_j, so that all quantities stay near one.
    """
    h, d = v.shape[2:]
    half = position_bias.shape[-1] // 2
    b = position_bias.expm1()  # (h, 1, k, k)
    local = F.conv2d(
        _weighted_map(weights, v, H, W), b.repeat_interleave(d, dim=0).to(v.dtype), padding=half, groups=h * d
    )
    near = F.conv2d(weights.view(*weights.shape[:2], H, W), b.to(weights.dtype), padding=half, groups=h)
    total = (1 + near.flatten(2)).clamp_min(torch.finfo(v.dtype).eps)
    return (_mean(weights, v) + to_tokens(local).view(v.shape)) * _per_token(total.reciprocal(), v)
