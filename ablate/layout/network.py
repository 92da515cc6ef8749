"""`Network`: what studies, costs and reports need to know of a backbone, whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ablate.layout.call import BlockCall

if TYPE_CHECKING:
    from torch import nn

    from ablate.cost import LayoutCost
    from blocks import Kind


class Outline(NamedTuple):
    """One line of a network's description: its blocks, and where it has stages their number and sizes."""

    blocks: str
    stage: int | str = ""
    width: int | str = ""
    heads: int | str = ""


class Network(ABC):
    """A backbone with a name. `Layout` spells its blocks out; a `TimmModel` is timm's and taken whole.

    `text` is how the language writes it, `packages` the distributions whose version decides what is built.
    """

    name: str
    text: str
    warnings: tuple[str, ...]
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def build(
        self,
        classes: int = 1000,
        channels: int = 3,
        *,
        features_only: bool = False,
        resolution: int | tuple[int, int] | None = None,
        deploy: bool = False,
    ) -> nn.Module:
        """The network: images `(B, channels, H, W)` to logits `(B, classes)`, or to its feature maps.

        `resolution` in pixels is for networks that are made for one size. With `deploy`, what can be folded
        for inference is folded. Raises `AblateError` where the network cannot be built.
        """

    @abstractmethod
    def cost(
        self,
        resolution: int | tuple[int, int] = 224,
        *,
        channels: int = 3,
        classes: int = 1000,
        batch: int = 1,
    ) -> LayoutCost:
        """Exact parameters, MACs and memory at a resolution in pixels. Raises `AblateError`."""

    @abstractmethod
    def replace(self, *, check: bool = True, **settings: Any) -> Network:
        """The network with other settings. Raises `LayoutError` for those that it does not have."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The resolved network as plain data, the same for all spellings."""

    @abstractmethod
    def to_yaml_dict(self) -> dict[str, Any]:
        """What a study file's `layouts:` entry needs to give this network again, whatever its defaults
        are."""

    @abstractmethod
    def outline(self) -> tuple[Outline, ...]:
        """Its description, a line a stage."""

    @property
    @abstractmethod
    def total_stride(self) -> int:
        """Pixels of the image, along one side, per position of the last feature map."""

    def identity(self) -> dict[str, Any]:
        """What a measurement's key is made of: `to_dict` without the arguments that have their default, so
        that it is the same whether these are written or not. Looks the parts up in the register."""
        return self.to_dict()

    def parts_used(self) -> tuple[tuple[tuple[Kind, ...], BlockCall], ...]:
        """The distinct registered parts that it is made of, each with the kinds that its name is one of."""
        return ()
