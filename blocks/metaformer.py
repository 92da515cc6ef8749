"""The recipes that make a token mixer a block."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

NormPlace: TypeAlias = Literal["pre", "post", "res_post", "none"]
RecipeName: TypeAlias = Literal["metaformer", "metanext"]


class Scale(nn.Module):
    """A learned factor for each channel, which starts at `value` (LayerScale, Touvron et al., 2021)."""

    def __init__(self, dim: int, value: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        return x * self.weight.view(1, -1, 1, 1)


class MetaFormerBlock(nn.Module):
    """`x + branch(norm(x))` of the mixer, then of the FFN (Yu et al., 2022, eq. 2 and 3).

    All parts map `(B, C, H, W)` to the same shape; without an `ffn` the block is the mixer's residual.
    `position` goes before both. Norms stand where `norm_place` says. `pre`: before the branch (Xiong et al.,
    2020). `res_post`: behind it, before the sum (Swin V2, Liu et al., 2022). `post`: behind the sum (Vaswani
    et al., 2017). `none`: nowhere. `layer_scale` is where the learned scale of each branch starts,
    `res_scale` that of x (NormFormer, Shleifer et al., 2021); None for no scale. `drop_path` is the
    probability with which each branch is dropped per sample in training (stochastic depth, Huang et al.,
    2016).
    """

    def __init__(
        self,
        mixer: nn.Module,
        ffn: nn.Module | None,
        norm1: nn.Module,
        norm2: nn.Module | None,
        drop_path: float = 0.0,
        *,
        dim: int = 0,
        position: nn.Module | None = None,
        norm_place: NormPlace = "pre",
        layer_scale: float | None = None,
        res_scale: float | None = None,
    ):
        super().__init__()
        if norm_place not in get_args(NormPlace):
            known = ", ".join(get_args(NormPlace))
            raise ValueError(f"norm_place must be one of {known}, got {norm_place!r}")
        self.norm_place = norm_place
        self.position = position or nn.Identity()
        self.norm1 = norm1 if norm_place != "none" else nn.Identity()
        self.mixer = mixer
        self.layer_scale1, self.res_scale1 = _scale(dim, layer_scale), _scale(dim, res_scale)
        self.ffn = ffn
        if ffn is not None:
            self.norm2 = norm2 if norm2 is not None and norm_place != "none" else nn.Identity()
            self.layer_scale2, self.res_scale2 = _scale(dim, layer_scale), _scale(dim, res_scale)
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        x = self.position(x)
        x = self._residual(x, self.mixer, self.norm1, self.layer_scale1, self.res_scale1)
        if self.ffn is not None:
            x = self._residual(x, self.ffn, self.norm2, self.layer_scale2, self.res_scale2)
        return x

    def _residual(
        self, x: Tensor, branch: nn.Module, norm: nn.Module, layer_scale: nn.Module, res_scale: nn.Module
    ) -> Tensor:
        y = branch(norm(x) if self.norm_place == "pre" else x)
        if self.norm_place == "res_post":
            y = norm(y)
        y = res_scale(x) + self.drop_path(layer_scale(y))
        out: Tensor = norm(y) if self.norm_place == "post" else y
        return out


class MetaNeXtBlock(nn.Module):
    """x + DropPath(scale * ffn(norm(mixer(x)))): one residual for both halves (Yu et al., 2024, eq. 1).

    ConvNeXt is this with a depthwise convolution as its mixer. `res_scale` scales x.
    """

    def __init__(
        self,
        mixer: nn.Module,
        ffn: nn.Module,
        norm: nn.Module,
        drop_path: float = 0.0,
        *,
        dim: int = 0,
        position: nn.Module | None = None,
        layer_scale: float | None = None,
        res_scale: float | None = None,
    ):
        super().__init__()
        self.position = position or nn.Identity()
        self.mixer = mixer
        self.norm = norm
        self.ffn = ffn
        self.layer_scale, self.res_scale = _scale(dim, layer_scale), _scale(dim, res_scale)
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        x = self.position(x)
        y: Tensor = self.ffn(self.norm(self.mixer(x)))
        out: Tensor = self.res_scale(x) + self.drop_path(self.layer_scale(y))
        return out


def _scale(dim: int, start: float | None) -> nn.Module:
    return nn.Identity() if start is None else Scale(dim, start)


def stochastic_depth(probability: float) -> nn.Module:
    """timm's `DropPath` with this probability; nothing at all for 0. `ValueError` outside [0, 1)."""
    if not 0 <= probability < 1:
        raise ValueError(f"drop_path must lie in [0, 1), got {probability}")
    if not probability:
        return nn.Identity()
    from timm.layers.drop import DropPath  # loading timm takes longer than loading torch

    return DropPath(probability)
