"""`Layout`: a backbone on paper, resolved to stages of named blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ablate.dotted import load
from ablate.errors import LayoutError, Mistake, did_you_mean
from ablate.layout import write
from ablate.layout.arguments import without_defaults
from ablate.layout.call import BlockCall
from ablate.layout.network import Network, Outline
from ablate.layout.pattern import Pattern, parse_pattern
from ablate.layout.recipe import Stage
from ablate.layout.resolve import read_definitions, resolve
from ablate.layout.settings import LayoutSettings, plain_mistakes
from ablate.layout.timm_model import TimmModel, is_timm, model_name, timm_mistakes

if TYPE_CHECKING:
    from torch import nn

    from ablate.cost import LayoutCost
    from blocks import Kind

__all__ = ["Layout", "Stage", "find_mistakes"]


@dataclass(frozen=True, init=False, repr=False)
class Layout(Network):
    """A stem, stages of blocks, and a head. `Layout("timm:NAME")` gives a `TimmModel`.

    Two layouts are equal when they build the same network: names and spellings do not count. Raises
    `LayoutError` with every mistake found. With `check=False` the words are not looked up, and torch is not
    imported.
    """

    stages: tuple[Stage, ...]
    head: tuple[BlockCall, ...]
    drop_path: float
    name: str = field(compare=False)
    text: str = field(compare=False)
    warnings: tuple[str, ...] = field(compare=False)
    settings: LayoutSettings = field(compare=False)

    def __new__(cls, text: str | None = None, **settings: Any) -> Any:
        """A layout; the other kind of network where the text names one."""
        if not is_timm(text):
            return super().__new__(cls)
        name, check = settings.pop("name", None), settings.pop("check", True)
        return cls.from_settings(_settings({"layout": text, **settings}), name, check=check)

    def __init__(
        self,
        text: str | None = None,
        *,
        name: str | None = None,
        stages: str | None = None,
        stem: str | None = None,
        downsample: str | Sequence[str] | None = None,
        widths: int | Sequence[int] | None = None,
        depths: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        head_dim: int | Sequence[int] | None = None,
        mlp_ratio: float | Sequence[float] | None = None,
        ffn: str | Sequence[str] | None = None,
        norm: str | Sequence[str] | None = None,
        norm_place: str | Sequence[str] | None = None,
        layer_scale: float | Sequence[float | str] | None = None,
        res_scale: float | Sequence[float | str] | None = None,
        position: str | Sequence[str] | None = None,
        recipe: str | Sequence[str] | None = None,
        head: str | None = None,
        drop_path: float | None = None,
        define: Mapping[str, str] | None = None,
        check: bool = True,
    ):
        """`text` is a rule, a pattern or `timm:NAME`; `stages` spells every block out instead.

        Settings are those of a study file: one value for every stage, or a list. Defaults: stem `overlap`,
        downsample `overlap(stride=2)`, widths 64 128 320 512, depths 2, heads from a `head_dim` of 32,
        mlp_ratio 4, ffn `mlp`, norm `layer` before each branch, no scales and positions, head `norm_pool`,
        drop_path 0.
        """
        own = dict(locals())
        given = {key: own[key] for key in LayoutSettings.model_fields if key in own} | {"layout": text}
        self._set(_settings(given), name, check)

    @classmethod
    def from_settings(
        cls, settings: LayoutSettings, name: str | None = None, *, check: bool = True
    ) -> Network:
        """The network of settings that a study file gave."""
        if is_timm(settings.layout):
            mistakes = timm_mistakes(settings, check=check)
            if mistakes:
                raise _error(mistakes, settings.model_dump())
            model = model_name(str(settings.layout))
            return TimmModel(model, name or f"timm:{model}")
        layout = object.__new__(cls)
        layout._set(settings, name, check)
        return layout

    def _set(self, settings: LayoutSettings, name: str | None, check: bool) -> None:
        resolved = resolve(settings, check=check)
        if resolved.mistakes:
            raise _error(resolved.mistakes, settings.model_dump())
        text = " ".join(str(settings.layout if settings.stages is None else settings.stages).split())
        values = {
            "stages": resolved.stages,
            "head": resolved.head,
            "drop_path": float(settings.drop_path or 0.0),
            "name": name or text,
            "text": text,
            "warnings": tuple(resolved.warnings),
            "settings": settings,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def pattern(self) -> Pattern:
        """The text as it was parsed: the cycles of its stages."""
        return parse_pattern(self.text, read_definitions(self.settings.define or {}))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(stage.width for stage in self.stages)

    @property
    def depths(self) -> tuple[int, ...]:
        """Number of blocks of each stage."""
        return tuple(len(stage.blocks) for stage in self.stages)

    @property
    def heads(self) -> tuple[int, ...]:
        """Attention heads of each stage."""
        return tuple(stage.heads for stage in self.stages)

    @property
    def stem(self) -> tuple[BlockCall, ...]:
        """The pieces from the image to the first stage."""
        return self.stages[0].before

    @property
    def mlp_ratio(self) -> tuple[float, ...]:
        """Hidden width of the FFN over the width, of each stage."""
        return tuple(stage.mlp_ratio for stage in self.stages)

    def replace(self, *, check: bool = True, **settings: Any) -> Layout:
        """The layout with other settings, resolved anew; `text`, `name` and every setting of the constructor.

        A setting of None goes back to its default. `text` replaces `stages`; `stages` replaces both `text`
        and `depths`.
        """
        given = self.settings.model_dump(exclude_none=True)
        given["text"] = given.pop("layout", None)
        given["name"] = self.name if self.name != self.text else None
        unknown = [key for key in settings if key not in LayoutSettings.model_fields and key not in given]
        if unknown or "layout" in settings:
            known = ["text", "name", *(key for key in LayoutSettings.model_fields if key != "layout")]
            word = (unknown or ["layout"])[0]
            raise LayoutError(f"unknown setting {word!r}{did_you_mean(word, known)}")
        if "text" in settings:
            given.pop("stages", None)
        if "stages" in settings:
            given["text"] = None
            given.pop("depths", None)
        return Layout(**{**given, **settings}, check=check)

    def to_dict(self) -> dict[str, Any]:
        """The resolved network as plain data, the same for all spellings."""
        return write.to_dict(self)

    def to_yaml_dict(self) -> dict[str, Any]:
        """What a study file's `layouts:` entry needs to give this layout again, whatever the file's defaults
        are."""
        return write.to_yaml_dict(self)

    def build(
        self,
        classes: int = 1000,
        channels: int = 3,
        *,
        features_only: bool = False,
        resolution: int | tuple[int, int] | None = None,
        deploy: bool = False,
    ) -> nn.Module:
        """The network: images `(B, channels, H, W)` to logits `(B, classes)`, or to its feature maps."""
        module: nn.Module = load("ablate.model:build")(
            self, classes, channels, features_only=features_only, resolution=resolution
        )
        if not deploy:
            return module
        height, width = (resolution, resolution) if isinstance(resolution, int) else resolution or (64, 64)
        folded: nn.Module = load("ablate.deploy:deploy")(module, (channels, height, width))
        return folded

    def cost(
        self,
        resolution: int | tuple[int, int] = 224,
        *,
        channels: int = 3,
        classes: int = 1000,
        batch: int = 1,
    ) -> LayoutCost:
        """Exact parameters, MACs and memory at a resolution in pixels."""
        result: LayoutCost = load("ablate.cost.layouts:cost_of_parts")(
            self, resolution, channels, classes, batch
        )
        return result

    def outline(self) -> tuple[Outline, ...]:
        """A line for each stage."""
        return tuple(
            Outline(" ".join(map(str, stage.blocks)), number, stage.width, stage.heads)
            for number, stage in enumerate(self.stages, start=1)
        )

    @property
    def total_stride(self) -> int:
        """Pixels of the image, along one side, per position in the last stage."""
        return int(load("ablate.model:total_stride")(self))

    def parts_used(self) -> tuple[tuple[tuple[Kind, ...], BlockCall], ...]:
        """Every distinct registered part: blocks, pieces of stems and heads, FFNs, norms, positions, and the
        parts that are their arguments."""
        return write.parts_used(self)

    def identity(self) -> dict[str, Any]:
        """`to_dict` without the arguments that have their default: these may be written or not."""
        return write.to_dict(self, without_defaults)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        given = self.settings.model_dump(exclude_none=True)
        text = given.pop("layout", None)
        shown = [repr(text)] if text is not None else []
        return f"Layout({', '.join(shown + [f'{key}={value!r}' for key, value in given.items()])})"


def find_mistakes(settings: LayoutSettings, *, check: bool = True) -> list[Mistake]:
    """All that is wrong with the settings of a network."""
    if is_timm(settings.layout):
        return timm_mistakes(settings, check=check)
    return resolve(settings, check=check).mistakes


def _settings(given: dict[str, Any]) -> LayoutSettings:
    """The settings of the constructor, checked. Raises `LayoutError`."""
    given = {key: _as_written(value) for key, value in given.items()}
    try:
        return LayoutSettings.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        raise _error(plain_mistakes(error), given) from None


def _as_written(value: Any) -> Any:
    if isinstance(value, BlockCall):
        return str(value)
    if isinstance(value, list | tuple) and any(isinstance(item, BlockCall) for item in value):
        return [_as_written(item) for item in value]
    return value


def _error(mistakes: list[Mistake], given: dict[str, Any]) -> LayoutError:
    return LayoutError(mistake.in_text(_text_at(given, mistake.path)) for mistake in mistakes)


def _text_at(given: Any, path: tuple[str | int, ...]) -> str:
    for part in path:
        try:
            given = given[part]
        except (IndexError, KeyError, TypeError):
            return ""
    return given if isinstance(given, str) else ""
