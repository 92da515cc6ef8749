"""`TimmModel`: a model of timm as a network to compare with, taken whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.dotted import load
from ablate.errors import LayoutError, Mistake, did_you_mean
from ablate.layout.network import Network, Outline
from ablate.layout.settings import LayoutSettings

if TYPE_CHECKING:
    from torch import nn

    from ablate.cost import LayoutCost

PREFIX = "timm:"


@dataclass(frozen=True)
class TimmModel(Network):
    """timm's `model`, with fresh weights. Two are equal when they are the same model of timm."""

    model: str
    name: str = field(compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)
    packages: ClassVar[tuple[str, ...]] = ("timm",)

    @property
    def text(self) -> str:  # type: ignore[override]  # a field elsewhere, and read-only in either case
        """`timm:NAME`."""
        return PREFIX + self.model

    def build(
        self,
        classes: int = 1000,
        channels: int = 3,
        *,
        features_only: bool = False,
        resolution: int | tuple[int, int] | None = None,
        deploy: bool = False,
        pretrained: bool = False,
    ) -> nn.Module:
        """timm's model for images of a resolution; without one, for the size that timm gives it.

        Models of one size (ViT, Swin, ...) are made for the resolution. `pretrained` loads timm's weights.
        """
        module: nn.Module = load("ablate.model:build_timm")(
            self.model, classes, channels, features_only, resolution, pretrained
        )
        if not deploy:
            return module
        size = (resolution, resolution) if isinstance(resolution, int) else resolution
        folded: nn.Module = load("ablate.deploy:deploy")(module, None if size is None else (channels, *size))
        return folded

    def cost(
        self,
        resolution: int | tuple[int, int] = 224,
        *,
        channels: int = 3,
        classes: int = 1000,
        batch: int = 1,
    ) -> LayoutCost:
        """Exact parameters, MACs and memory of the whole model, built for the resolution."""
        result: LayoutCost = load("ablate.cost.layouts:cost_of_whole")(
            self, resolution, channels, classes, batch
        )
        return result

    def replace(self, *, check: bool = True, **settings: Any) -> TimmModel:
        """The model under another name; it has no other settings."""
        for key in settings:
            if key != "name":
                raise LayoutError(f"{key!r} does not apply to a model of timm")
        return TimmModel(self.model, settings.get("name") or self.name, self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """`{"timm": NAME}`."""
        return {"timm": self.model}

    def to_yaml_dict(self) -> dict[str, Any]:
        """`{"layout": "timm:NAME"}`."""
        return {"layout": self.text}

    def outline(self) -> tuple[Outline, ...]:
        """One line with its name."""
        return (Outline(self.text),)

    @property
    def total_stride(self) -> int:
        """The stride of its last feature map; 32 where timm has none to tell."""
        return int(load("ablate.model:timm_stride")(self.model))


def is_timm(text: object) -> bool:
    """Whether a layout's text names a model of timm."""
    return isinstance(text, str) and text.strip().startswith(PREFIX)


def model_name(text: str) -> str:
    """`resnet18` of `timm:resnet18`."""
    return text.strip()[len(PREFIX) :].strip()


def timm_mistakes(settings: LayoutSettings, *, check: bool = True) -> list[Mistake]:
    """What is wrong with the settings of a timm model: any but its name, and with `check` an unknown name."""
    text = str(settings.layout)
    mistakes = [
        Mistake(f"{key!r} does not apply to a model of timm", (key,), at_key=True)
        for key in LayoutSettings.model_fields
        if key != "layout" and getattr(settings, key) is not None
    ]
    return mistakes + (_unknown_model(text) if check else [])


def _unknown_model(text: str) -> list[Mistake]:
    import timm

    name = model_name(text)
    if timm.is_model(name):
        return []
    known = did_you_mean(name, timm.list_models())
    hint = known if known.startswith("; did") else ""
    return [Mistake(f"timm has no model {name!r}{hint}", ("layout",), text.index(PREFIX) + len(PREFIX))]
