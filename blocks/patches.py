"""The convolution of separate patches."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PatchConv(nn.Conv2d):
    """A convolution whose stride is its kernel: one linear layer of each `size` x `size` patch.

    `(B, C, H, W)` -> `(B, dim, floor(H / size), floor(W / size))`; rows and columns left over are dropped.
    Both sides must be at least `size` long.
    """

    def __init__(self, in_chans: int, dim: int, size: int):
        super().__init__(in_chans, dim, size, size)
        # In bfloat16 on processors with AMX, oneDNN's convolution gives wrong sums, silently, for many of
        # these shapes. A product of patches is right everywhere, but slower for large maps.
        self.as_product = size >= 4 and 4 <= in_chans < 32

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, dim, floor(H / size), floor(W / size))`."""
        if not self.as_product:
            return super().forward(x)
        (B, C, H, W), size = x.shape, self.kernel_size[0]
        rows, columns = H // size, W // size
        x = x[:, :, : rows * size, : columns * size].permute(0, 2, 3, 1)
        patches = x.reshape(B, rows, size, columns, size, C).transpose(2, 3).flatten(3)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(patches, weight, self.bias).permute(0, 3, 1, 2)
