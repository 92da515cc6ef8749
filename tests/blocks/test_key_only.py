"""Key-only attention against its own N x N matrix, and the properties that it claims."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from blocks.key_only import KeyOnlyAttention
from blocks.softmax import SoftmaxAttention
from blocks.tokens import to_map, to_tokens

GATES = ["window", "global", "decay"]
SALIENCIES = ["additive", "linear"]
SIZES = [(13, 9), (1, 1), (1, 7), (5, 3)]


def offsets(H, W):
    """Row and column offsets j - i of all pairs, each `(N, N)`."""
    row, column = (t.flatten() for t in torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij"))
    return row - row[:, None], column - column[:, None]


def project(block, x):
    """k (if any), v, u of the definition, each `(B, h, N, d)`, from the rows of the one weight matrix."""
    C = x.shape[1]
    thirds = [
        F.linear(
            to_tokens(x),
            block.kv.weight[i : i + C],
            None if block.kv.bias is None else block.kv.bias[i : i + C],
        )
        for i in range(0, block.kv.out_features, C)
    ]
    thirds = [t.unflatten(-1, (block.num_heads, -1)).transpose(1, 2) for t in thirds]
    keys = [thirds.pop(0)] if block.keys else [None]
    return (*keys, *thirds, thirds[0])[:3]


def matrix_of(block, x):
    """The implied attention matrix `(B, h, N, N)`, written down entry by entry from the definition."""
    H, W = x.shape[2:]
    down, right = offsets(H, W)
    k, _, _ = project(block, x)
    k = to_tokens(x).unsqueeze(1) if k is None else k.tanh()
    s = (k * block.saliency[:, None]).sum(-1) + block.saliency_bias[:, None]
    row = s.unsqueeze(2).expand(-1, -1, H * W, -1)  # the same for every i
    if block.gate == "window":
        half = block.window // 2
        near = (down.abs() <= half) & (right.abs() <= half)
        far_heads = -(-block.num_heads // 2)
        weights = torch.cat([row[:, :far_heads].sigmoid(), row[:, far_heads:].sigmoid() * near], dim=1)
    elif block.gate == "global":
        weights = row.exp()
    else:
        half = block.kernel // 2
        near = (down.abs() <= half) & (right.abs() <= half)
        p = block.position_bias[:, 0, (down + half).where(near, 0), (right + half).where(near, 0)]
        weights = row.exp() * (p * near).exp()
    return weights / weights.sum(-1, keepdim=True)


def dense(block, x):
    _, v, u = project(block, x)
    mixed = F.silu(u) * (matrix_of(block, x) @ v) + v
    return to_map(block.proj(mixed.transpose(1, 2).flatten(2)), *x.shape[2:])


def exaggerate(block):
    """Saliencies and biases far from their small initial values, so that the weights differ a lot."""
    with torch.no_grad():
        block.saliency.mul_(5)
        block.saliency_bias.normal_()
        if block.gate == "decay":
            block.position_bias.normal_()
    return block


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("gate_proj", [False, True], ids=["u=v", "gate_proj"])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("saliency", SALIENCIES)
def test_equals_explicit_matrix(image, same, saliency, gate, gate_proj, height, width):
    options = {"saliency": saliency, "gate": gate, "gate_proj": gate_proj}
    block = exaggerate(KeyOnlyAttention(12, 3, **options, window=5, kernel=3).double())
    x = image(12, height, width)
    rows = matrix_of(block, x).sum(-1)
    torch.testing.assert_close(rows, torch.ones_like(rows))
    same(block, lambda x: dense(block, x), x)


@settings(max_examples=25, deadline=None)
@given(
    gate=st.sampled_from(GATES),
    heads=st.sampled_from([2, 3, 6]),
    side=st.sampled_from([1, 3, 5, 9]),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    bias=st.booleans(),
    saliency=st.sampled_from(SALIENCIES),
)
def test_any_size_equals_explicit_matrix(gate, heads, side, height, width, bias, saliency):
    options = {"window": side, "kernel": side, "qkv_bias": bias, "saliency": saliency}
    block = exaggerate(KeyOnlyAttention(6, heads, gate=gate, **options).double())
    x = torch.randn(2, 6, height, width, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block(x), dense(block, x))


def test_one_head_works_without_a_window(image, same):
    for gate in ("global", "decay"):
        block = exaggerate(KeyOnlyAttention(6, 1, gate=gate).double())
        same(block, lambda x, block=block: dense(block, x), image(6, 5, 3))
    with pytest.raises(ValueError, match=r"at least two heads, one global and one local.*'global'.*'decay'"):
        KeyOnlyAttention(6, 1)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("gate_proj", [False, True], ids=["u=v", "gate_proj"])
def test_linear_saliency_is_keys_and_a_vector_multiplied_together(image, gate, gate_proj):
    """The unfolded form, K = X W_K + b_K and s = <k, w> + b, gives the same output from more weights."""
    dim, heads = 12, 3
    block = exaggerate(
        KeyOnlyAttention(dim, heads, saliency="linear", gate=gate, gate_proj=gate_proj, kernel=3).double()
    )
    keys = nn.Linear(dim, dim).double()
    vector, bias = torch.randn(heads, dim // heads).double(), torch.randn(heads).double()
    with torch.no_grad():
        rows = keys.weight.view(heads, dim // heads, dim)
        block.saliency.copy_(torch.einsum("hd,hdc->hc", vector, rows))
        block.saliency_bias.copy_((keys.bias.view(heads, -1) * vector).sum(-1) + bias)
        x = image(dim, 7, 9)
        k = keys(to_tokens(x)).view(2, 63, heads, -1)
        s = torch.einsum("bnhd,hd->bhn", k, vector) + bias[:, None]
        _, v, u = (part if part is None else part.transpose(1, 2).flatten(2) for part in project(block, x))
        expected = to_map(block.proj(block._mix(s, v, F.silu(u), 7, 9)), 7, 9)
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-6)
    unfolded = KeyOnlyAttention(dim, heads, gate=gate, gate_proj=gate_proj, kernel=3)
    saved = sum(p.numel() for p in unfolded.parameters()) - sum(p.numel() for p in block.parameters())
    assert saved == dim * dim + dim + dim - heads * dim


def test_additive_saliency_does_not_fold(image):
    """Doubling W_K and halving w changes nothing in a linear saliency, and does here."""
    block = exaggerate(KeyOnlyAttention(12, 3, gate="global").double())
    x = image(12, 5, 3)
    before = block(x)
    with torch.no_grad():
        block.kv.weight[:12] *= 2
        block.kv.bias[:12] *= 2
        block.saliency /= 2
    assert (block(x) - before).abs().max() > 1e-3


@pytest.mark.parametrize("saliency", SALIENCIES)
def test_global_gate_is_permutation_equivariant(image, saliency):
    block = exaggerate(KeyOnlyAttention(12, 3, saliency=saliency, gate="global").double())
    x, order = image(12, 1, 31), torch.randperm(31)
    torch.testing.assert_close(block(x[..., order]), block(x)[..., order])


@pytest.mark.parametrize("gate", ["window", "decay"])
def test_other_gates_know_positions(image, gate):
    block = exaggerate(KeyOnlyAttention(12, 3, gate=gate).double())
    x, order = image(12, 1, 31), torch.randperm(31)
    assert not torch.allclose(block(x[..., order]), block(x)[..., order])


@pytest.mark.parametrize("saliency", SALIENCIES)
def test_zero_saliency_is_mean_pooling(image, saliency):
    block = KeyOnlyAttention(12, 3, saliency=saliency, gate="global").double()
    with torch.no_grad():
        block.saliency.zero_()
    x = image(12, 5, 3)
    v = F.linear(to_tokens(x), block.kv.weight[-12:], block.kv.bias[-12:])
    expected = block.proj(F.silu(v) * v.mean(1, keepdim=True) + v)
    torch.testing.assert_close(block(x), to_map(expected, 5, 3))


@pytest.mark.parametrize("size", [-200.0, 200.0, 1e4])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_saliency_stays_finite(gate, dtype, size):
    """Saliencies that underflow a plain sigmoid, or overflow a plain exponential."""
    block = KeyOnlyAttention(8, 2, gate=gate)
    with torch.no_grad():
        block.saliency.mul_(20)
        block.saliency_bias.fill_(size)
    block, x = block.to(dtype), torch.randn(2, 8, 16, 16).to(dtype).requires_grad_()
    y = block(x)
    (gradient,) = torch.autograd.grad(y.float().square().mean(), x)
    assert y.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("gate", GATES)
def test_weights_survive_the_underflow_of_a_sigmoid(gate):
    """At s near -200, sigmoid and exp are 0 in float32; the weights they would give are not."""
    block = exaggerate(KeyOnlyAttention(8, 2, gate=gate))
    with torch.no_grad():
        block.saliency_bias.fill_(-200)
        x = torch.randn(2, 8, 6, 5)
        got = block(x)
        torch.testing.assert_close(got, dense(block.double(), x.double()).float(), rtol=1e-3, atol=1e-4)


class Largest(TorchDispatchMode):
    """Keeps the number of elements of the largest tensor that any operator made."""

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


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("saliency", SALIENCIES)
def test_no_tensor_has_n_times_n_elements(saliency, gate):
    N = 64 * 64
    block = KeyOnlyAttention(16, 2, saliency=saliency, gate=gate, gate_proj=True)
    projections = 3 if saliency == "additive" else 2  # k, v, u together, or v and u
    assert largest_tensor(block, 64) == projections * 16 * N
    assert largest_tensor(SoftmaxAttention(16, 2), 64) >= N * N  # the check sees what it looks for


def saved_bytes(block, width):
    """Bytes of distinct activations that the forward pass keeps for the backward pass, weights left out."""
    storages = {}
    weights = {p.untyped_storage()._cdata for p in block.parameters()}

    def keep(t):
        storages[t.untyped_storage()._cdata] = t.untyped_storage()
        return t

    x = torch.empty(2, 16, 8, width, device="meta").contiguous(memory_format=torch.channels_last)
    with saved_tensors_hooks(keep, lambda t: t):
        y = block(x.requires_grad_())
    del y
    return sum(s.nbytes() for key, s in storages.items() if key not in weights)


def macs(block, width):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        block(torch.empty(1, 16, 8, width, device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("saliency", SALIENCIES)
@pytest.mark.parametrize("measure", [saved_bytes, macs])
def test_exactly_linear_in_n(saliency, gate, measure):
    block = KeyOnlyAttention(16, 2, saliency=saliency, gate=gate).to("meta")
    at = [measure(block, width) for width in (8, 16, 24, 32)]
    steps = {after - before for before, after in itertools.pairwise(at)}
    assert len(steps) == 1
    assert steps.pop() > 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"gate": "global"}, lambda N, C, h: 3 * N * C**2 + 2 * N * C),
        ({"gate": "global", "gate_proj": True}, lambda N, C, h: 4 * N * C**2 + 2 * N * C),
        ({"gate": "window", "window": 5}, lambda N, C, h: 3 * N * C**2 + N * C + N * C // 2 + 5 * N * C),
        ({"gate": "decay", "kernel": 3}, lambda N, C, h: 3 * N * C**2 + 2 * N * C + 9 * N * (C + h)),
        ({"gate": "global", "saliency": "linear"}, lambda N, C, h: 2 * N * C**2 + N * C * h + N * C),
        (
            {"gate": "global", "saliency": "linear", "gate_proj": True},
            lambda N, C, h: 3 * N * C**2 + N * C * h + N * C,
        ),
    ],
    ids=["global", "gate_proj", "window", "decay", "linear", "linear, gate_proj"],
)
def test_macs_are_the_documented_formula(options, expected):
    block = KeyOnlyAttention(16, 4, **options).to("meta")
    assert macs(block, 11) == expected(88, 16, 4)


def test_bad_arguments():
    with pytest.raises(ValueError, match="window must be odd, got 4"):
        KeyOnlyAttention(8, 2, window=4)
    with pytest.raises(ValueError, match="kernel must be at least 1, got -3"):
        KeyOnlyAttention(8, 2, gate="decay", kernel=-3)
    with pytest.raises(ValueError, match="gate must be"):
        KeyOnlyAttention(8, 2, gate="softmax")
    with pytest.raises(ValueError, match="saliency must be 'additive' or 'linear', got 'folded'"):
        KeyOnlyAttention(8, 2, saliency="folded")
