"""Window attention as one graph for maps of any size, for `torch.export` and ONNX, which keep no branches.

The map is padded, rolled and masked by what may be nothing: by places that are looked up, since neither can
tell that a padded side is no shorter than the side, nor take windows apart that were merged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from blocks.window import WindowAttention, _regions


def attend(block: WindowAttention, x: Tensor) -> Tensor:
    """What `block(x)` gives, `(B, C, H, W)` -> `(B, C, H, W)`, of at least two windows along both sides."""
    H, W = x.shape[2:]
    w, h, d = block.size, block.num_heads, block.head_dim
    rows, columns = (H + w - 1) // w, (W + w - 1) // w
    qkv = block.qkv(x.permute(0, 2, 3, 1))
    for axis, length in ((1, rows * w), (2, columns * w)):
        places = torch.arange(length, device=x.device).roll(-block.shift)
        qkv = qkv.index_select(axis, places.clamp_max(qkv.shape[axis] - 1))
    parts = qkv.view(-1, rows, w, columns, w, 3, h, d).unbind(5)
    # each (B, rows, columns, h, L, d)
    q, k, v = (part.permute(0, 1, 3, 5, 2, 4, 6).flatten(4, 5) for part in parts)
    region = _regions(H, rows * w - H, block.shift, x.device).view(rows, 1, w, 1)
    region_across = _regions(W, columns * w - W, block.shift, x.device).view(1, columns, 1, w)
    padding = (region == 2) | (region_across == 2)
    group = torch.where(padding, -1, 2 * region + region_across).flatten(2)  # (rows, columns, L)
    allowed = (group.unsqueeze(2) == group.unsqueeze(3)).unsqueeze(2)
    scores = (q * d**-0.5) @ k.transpose(-1, -2)
    scores = torch.where(allowed, scores + block._bias().to(q.dtype), -torch.inf)
    y = (scores.softmax(-1).to(v.dtype) @ v).unflatten(4, (w, w))  # (B, rows, columns, h, w, w, d)
    y = y.permute(0, 1, 4, 2, 5, 3, 6).flatten(5)  # (B, rows, w, columns, w, C)
    i, j = (
        torch.arange(windows * w, device=x.device)
        .roll(block.shift)
        .index_select(0, torch.arange(length, device=x.device))
        for length, windows in ((H, rows), (W, columns))
    )
    i, j = i.unsqueeze(1), j.unsqueeze(0)
    out: Tensor = block.proj(y[:, i // w, i % w, j // w, j % w])
    return out.permute(0, 3, 1, 2)
