"""Heads: the last feature map to class scores, `(B, C, H, W)` -> `(B, classes)`.

With 0 classes a head gives its pooled features. `features(x)` is what its last linear layer reads; its
`num_features` channels are what `reset` keeps when it makes that layer anew.
"""

from __future__ import annotations

from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.registry import Norm, make, register


class Head(nn.Module):
    """A head that ends in a linear layer `fc`."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.num_features = features
        self.reset(classes)

    def reset(self, classes: int) -> None:
        """A new last layer for this many classes; none at all for 0."""
        self.fc: nn.Module = nn.Linear(self.num_features, classes) if classes else nn.Identity()

    def features(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, num_features)`."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, classes)`."""
        logits: Tensor = self.fc(self.features(x))
        return logits


@register("head", "norm_pool")
class NormPoolHead(Head):
    """Norm, global average pooling, linear. MACs: C x classes."""

    def __init__(self, dim: int, classes: int, *, norm: Norm = "layer"):
        super().__init__(dim, classes)
        self.norm = make("norm", norm, dim=dim)

    def features(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C)`."""
        pooled: Tensor = self.norm(x).mean((2, 3))
        return pooled


@register("head", "pool_norm")
class PoolNormHead(Head):
    """Global average pooling, norm, linear (ConvNeXt, Liu et al., 2022). MACs: C x classes."""

    def __init__(self, dim: int, classes: int, *, norm: Norm = "layer"):
        super().__init__(dim, classes)
        self.norm = make("norm", norm, dim=dim)

    def features(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C)`."""
        pooled: Tensor = self.norm(x.mean((2, 3), keepdim=True)).flatten(1)
        return pooled


@register("head", "pool")
class PoolHead(Head):
    """Global average pooling, linear (ResNet, He et al., 2016). MACs: C x classes."""

    def __init__(self, dim: int, classes: int):
        super().__init__(dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C)`."""
        return x.mean((2, 3))


@register("head", "mlp")
class MLPHead(Head):
    """Pooling, norm, linear to `ratio` C, activation, norm, linear (Yu et al., 2024).

    `norm` is that of the pooled features, `within` that of the hidden ones.
    MACs: ratio C^2 + ratio C x classes.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        *,
        ratio: float = 4.0,
        act: Activation = "squared_relu",
        norm: Norm = "layer",
        within: Norm = "layer",
    ):
        hidden = int(ratio * dim)
        if hidden < 1:
            raise ValueError(f"ratio must leave at least one hidden channel, got {ratio}")
        super().__init__(hidden, classes)
        self.norm = make("norm", norm, dim=dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.act = activation(act)
        self.within = make("norm", within, dim=hidden)

    def features(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, ratio C)`."""
        pooled = self.norm(x.mean((2, 3), keepdim=True)).flatten(1)
        hidden: Tensor = self.within(self.act(self.fc1(pooled))[:, :, None, None]).flatten(1)
        return hidden
