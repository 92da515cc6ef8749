"""How many numbers about an image a mixer keeps for all queries: what tokens can know of tokens far away."""

import pytest
import torch

import blocks

# What the paper of each operator says, at C = 24, 3 heads of d = 8, N = 64.
EXPECTED = [
    ("softmax", {}, 2 * 64 * 24),
    ("softmax", {"qkv_bias": False}, 2 * 64 * 24),
    ("sra", {}, 2 * 16 * 24),
    ("sra", {"ratio": 3}, 2 * 4 * 24),
    ("sra", {"ratio": 16}, 2 * 1 * 24),
    ("window", {"size": 4, "shift": True}, 2 * 16 * 24),
    ("window", {"size": 9}, 2 * 64 * 24),
    ("linear", {}, 3 * 8 * 8),
    ("conv", {"kernel": 7}, 0),
    ("pool", {"size": 5}, 0),
    ("identity", {}, 0),
]


@pytest.mark.parametrize(("name", "arguments", "size"), EXPECTED)
def test_sizes(name, arguments, size):
    assert blocks.get(name, "mixer").cls.summary_size(24, 3, 64, **arguments) == size


def test_a_map_that_is_no_square():
    assert blocks.get("sra", "mixer").cls.summary_size(24, 3, 63, ratio=2) == 2 * 15 * 24


def with_summary():
    return [entry for entry in blocks.entries("mixer") if hasattr(entry.cls, "summary_size")]


@pytest.mark.parametrize("entry", with_summary(), ids=lambda entry: entry.name)
def test_every_argument_of_the_block_is_taken(entry):
    arguments = {name: argument.default for name, argument in entry.arguments.items()}
    size = entry.cls.summary_size(24, 3, 64, **arguments)
    assert isinstance(size, int)
    assert size == entry.cls.summary_size(24, 3, 64)  # the defaults are the block's own


def local_mixers():
    return [entry for entry in with_summary() if entry.cls.summary_size(24, 3, 64) == 0]


@pytest.mark.parametrize("entry", local_mixers(), ids=lambda entry: entry.name)
def test_without_a_summary_nothing_comes_from_far_away(entry):
    """A change in one corner of a 40 x 1 map is not seen at the other end."""
    block = entry.build({"dim": 24, "num_heads": 3}, {}).eval()
    x = torch.randn(1, 24, 40, 1)
    changed = x.clone()
    changed[:, :, 0] += 1
    with torch.no_grad():
        assert torch.equal(block(x)[:, :, -1], block(changed)[:, :, -1])


@pytest.mark.parametrize(
    "name", ["softmax", "linear", "litemla", "shsa", "xca", "focal", "aft", "gfnet", "sra"]
)
def test_with_a_summary_something_does(name):
    block = blocks.get(name, "mixer").build({"dim": 24, "num_heads": 3}, {}).double().eval()
    x = torch.randn(1, 24, 40, 1).double()
    changed = x.clone()
    changed[:, :, 0] += 1
    with torch.no_grad():
        assert not torch.equal(block(x)[:, :, -1], block(changed)[:, :, -1])
