"""A token mixer of my own: a depthwise convolution whose output is gated by the image's mean."""

import torch
from torch import Tensor, nn

import blocks


@blocks.register("mixer", "my_mixer")
class MyMixer(nn.Module):
    """(B, C, H, W) -> (B, C, H, W).

    `dim` comes from the model; what stands after the star are the arguments of the language.
    """

    def __init__(self, dim: int, *, kernel: int = 3):
        super().__init__()
        self.local = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.gate = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))  # (B, C, 1, 1)
        mixed: Tensor = self.local(x) * weight
        return mixed
