"""Window attention against timm's Swin block and against one masked N x N matrix."""

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.swin_transformer import WindowAttention as TimmWindowAttention

from blocks.tokens import to_map, to_tokens
from blocks.window import WindowAttention


def table_of(block):
    """Our bias table in timm's order: `((2w-1)^2, h)`."""
    return block.relative_bias.detach().flatten(1).t()


def copy_weights(block, attention):
    attention.qkv.load_state_dict(block.qkv.state_dict())
    attention.proj.load_state_dict(block.proj.state_dict())
    with torch.no_grad():
        attention.relative_position_bias_table.copy_(table_of(block))


def dense(block, x, window, shift):
    """All pairs at once: the group of a row is the window it falls in, counted from the shifted first cut."""
    H, W = x.shape[2:]
    rows, columns = torch.arange(H), torch.arange(W)
    row_group = (rows - (shift if window < H else 0)).div(window, rounding_mode="floor")
    column_group = (columns - (shift if window < W else 0)).div(window, rounding_mode="floor")
    row, column = (t.flatten() for t in torch.meshgrid(rows, columns, indexing="ij"))
    together = (row_group[row][:, None] == row_group[row]) & (
        column_group[column][:, None] == column_group[column]
    )
    down, right = row[:, None] - row + window - 1, column[:, None] - column + window - 1
    near = together  # elsewhere the offset may lie outside the table
    bias = block.relative_bias[:, down.where(near, 0), right.where(near, 0)]

    q, k, v = block.qkv(to_tokens(x)).unflatten(-1, (3, block.num_heads, -1)).permute(2, 0, 3, 1, 4)
    logits = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
    matrix = logits.masked_fill(~near, -torch.inf).softmax(-1)
    return to_map(block.proj((matrix @ v).transpose(1, 2).flatten(2)), H, W)


@pytest.mark.parametrize(("height", "width"), [(13, 9), (1, 1), (1, 7), (5, 3), (8, 15), (12, 4)])
@pytest.mark.parametrize("shift", [False, True], ids=["plain", "shifted"])
@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_equals_masked_matrix(image, same, height, width, shift, size):
    block = WindowAttention(12, 3, size=size, shift=shift).double()
    same(block, lambda x: dense(block, x, size, size // 2 if shift else 0), image(12, height, width))


@pytest.mark.parametrize("shift", [0, 3], ids=["plain", "shifted"])
def test_equals_swin_block(image, same, shift):
    block = WindowAttention(16, 2, size=7, shift=shift > 0).double()
    swin = SwinTransformerBlock(16, (14, 21), num_heads=2, window_size=7, shift_size=shift).double()
    copy_weights(block, swin.attn)

    def reference(x):
        return swin._attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    same(block, reference, image(16, 14, 21), weights=False)


def test_one_window_equals_timm(image, same):
    block = WindowAttention(16, 4, size=5).double()
    reference = TimmWindowAttention(16, 4, window_size=5).double()
    copy_weights(block, reference)
    same(block, lambda x: to_map(reference(to_tokens(x)), 5, 5), image(16, 5, 5), weights=False)


def test_padding_is_never_seen(image):
    """What stands in a padded place cannot matter: a window at the edge equals the same tokens alone."""
    block = WindowAttention(12, 2, size=4).double().eval()
    x = image(12, 6, 4)
    torch.testing.assert_close(block(x)[:, :, 4:], block(x[:, :, 4:]))


def test_reach_ends_at_the_window(image):
    block = WindowAttention(12, 2, size=4, shift=True).double()
    x = image(12, 12, 12)
    (reached,) = torch.autograd.grad(block(x)[:, :, 3, 3].sum(), x)
    touched = reached.abs().sum((0, 1)) > 0
    assert touched[2:6, 2:6].all()
    assert touched.sum() == 16


def test_bad_size():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        WindowAttention(12, 2, size=0)
