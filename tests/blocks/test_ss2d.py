"""The two-dimensional selective scan against walks over the map, token by token."""

import pytest
import torch
import torch.nn.functional as F

from ablate.cost import count
from blocks.ss2d import SelectiveScan2d
from blocks.tokens import to_map, to_tokens

OPTIONS = [{}, {"state": 1}, {"expand": 1.5}, {"conv": 3}, {"gate": True}]


def walks(height, width):
    """The four orders in which the map is read."""
    rows = [(i, j) for i in range(height) for j in range(width)]
    columns = [(i, j) for j in range(width) for i in range(height)]
    return rows, columns, rows[::-1], columns[::-1]


def walked(block, x):
    H, W = x.shape[2:]
    u, *gate = block.input(to_tokens(x)).chunk(1 + block.gate, dim=-1)
    u = to_map(u, H, W)
    if block.conv is not None:
        u = F.silu(block.conv(u))
    total = torch.zeros_like(u)
    for k, walk in enumerate(walks(H, W)):
        state = 0
        for i, j in walk:
            token = u[:, :, i, j]
            low, b, c = (token @ block.dbc[k].T).split([block.rank, block.state, block.state], dim=-1)
            delta = F.softplus(low @ block.delta[k].T + block.delta_bias[k])
            decay = torch.exp(-delta.unsqueeze(-1) * block.log_a[k].exp())
            state = decay * state + (delta * token).unsqueeze(-1) * b.unsqueeze(1)
            here = torch.zeros_like(total)
            here[:, :, i, j] = (state @ c.unsqueeze(-1)).squeeze(-1) + block.skip[k] * token
            total = total + here
    y = block.norm(to_tokens(total))
    if gate:
        y = y * F.silu(gate[0])
    return to_map(block.proj(y), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_four_walks(image, same, options, height, width):
    block = SelectiveScan2d(8, **({"state": 3, "rank": 2} | options)).double()
    same(block, lambda x: walked(block, x), image(8, height, width))


@pytest.mark.parametrize(
    ("options", "extra"),
    [({}, 0), ({"gate": True}, 2 * 63 * 24**2), ({"conv": 3}, 9 * 2 * 63 * 24)],
    ids=["core", "gate", "conv"],
)
def test_macs_are_the_documented_formula(options, extra):
    N, C, S, R, e = 7 * 9, 24, 5, 3, 2
    block = SelectiveScan2d(C, state=S, rank=R, expand=e, **options)
    expected = 2 * e * N * C**2 + 8 * e * N * C * (R + 2 * S) + extra
    assert count(block, (7, 9), channels=C).macs == expected
    first = (1 + block.gate) * e * N * C**2  # whose input, the image, needs no gradient
    assert count(block, (7, 9), channels=C, training=True).macs == 3 * expected - first


def test_steps_start_where_mambas_do():
    steps = F.softplus(SelectiveScan2d(64).delta_bias)
    assert 0.001 <= steps.min() < 0.002
    assert 0.05 < steps.max() <= 0.101


def test_sizes_that_cannot_be():
    with pytest.raises(ValueError, match="state must be at least 1, got 0"):
        SelectiveScan2d(8, state=0)
    with pytest.raises(ValueError, match="conv must be odd, got 2"):
        SelectiveScan2d(8, conv=2)
