"""Agent attention against the two matrices of its definition."""

import pytest
import torch

from ablate.cost import count
from blocks.agent import AgentAttention
from blocks.tokens import to_map, to_tokens


def cells(length, number):
    """Where the cells of one side begin and end: the whole length in equal parts, rounded outwards."""
    return [(i * length // number, -(-(i + 1) * length // number)) for i in range(number)]


def dense(block, x):
    """Cells one by one, both matrices in full."""
    H, W = x.shape[2:]
    q, k, v = block.qkv(to_tokens(x)).chunk(3, dim=-1)
    grid = to_map(q, H, W)
    agents = torch.stack(
        [
            grid[:, :, top:bottom, left:right].mean((2, 3))
            for top, bottom in cells(H, block.agents)
            for left, right in cells(W, block.agents)
        ],
        dim=1,
    )
    q_, k_, v_, a_ = (t.unflatten(-1, (block.num_heads, -1)).transpose(1, 2) for t in (q, k, v, agents))
    scale = block.head_dim**-0.5
    gathered = (a_ @ k_.transpose(2, 3) * scale).softmax(-1) @ v_
    y = ((q_ @ a_.transpose(2, 3) * scale).softmax(-1) @ gathered).transpose(1, 2).flatten(2)
    if block.lepe is not None:
        y = y + to_tokens(block.lepe.conv(to_map(v, H, W)))
    return to_map(block.proj(y), H, W)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7), (13, 8)])
@pytest.mark.parametrize("options", [{}, {"agents": 3}, {"agents": 1}, {"agents": 3, "lepe": 3}], ids=str)
def test_equals_two_explicit_matrices(image, same, options, height, width):
    block = AgentAttention(24, 3, **options).double()
    same(block, lambda x: dense(block, x), image(24, height, width))


@pytest.mark.parametrize(("agents", "lepe"), [(7, 0), (3, 5)])
def test_macs_are_the_documented_formula(agents, lepe):
    N, C, n = 9 * 11, 24, agents**2
    block = AgentAttention(C, 3, agents=agents, lepe=lepe)
    assert count(block, (9, 11), channels=C).macs == 4 * N * C**2 + 4 * n * N * C + lepe**2 * N * C


def test_no_agents():
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        AgentAttention(12, 3, agents=0)
