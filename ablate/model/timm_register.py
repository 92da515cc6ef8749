"""Layouts in timm's register: `register_study("linglo")`, then `timm.create_model("linglo_b0")`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.model.backbone import build
from ablate.study.load import load_study
from ablate.study.shipped import find_study

__all__ = ["register_layout", "register_study"]


def register_layout(layout: Network, name: str | None = None) -> str:
    """Make a layout known to timm; returns the name under which it is.

    `timm.create_model` then takes `num_classes`, `in_chans`, `features_only`, `out_indices`,
    `drop_path_rate` and `img_size`. The name is the layout's with `_` for what is no letter or digit. Raises
    `AblateError` where timm has a model of this name already, and for a model of timm.
    """
    from timm.models import is_model, register_model

    if not isinstance(layout, Layout):
        raise AblateError(f"{layout.name!r} is in timm's register already")
    chosen = name or "".join(letter if letter.isalnum() else "_" for letter in layout.name)
    if is_model(chosen) and chosen not in _registered:
        raise AblateError(f"timm has a model {chosen!r} already; give the layout another name")
    create = _creator(layout, chosen)
    if chosen not in _registered:
        register_model(create)
    _registered[chosen] = layout
    return chosen


def register_study(file: str | Path) -> tuple[str, ...]:
    """Register the layouts of a study file, or of a study that comes with the suite; returns their names.

    Its models of timm, and layouts under the name of one, stay timm's. Raises `LayoutError` with all mistakes
    of the file.
    """
    from timm.models import is_model

    layouts = load_study(find_study(str(file))).layouts.values()
    own = [layout for layout in layouts if isinstance(layout, Layout)]
    return tuple(
        register_layout(layout) for layout in own if layout.name in _registered or not is_model(layout.name)
    )


_registered: dict[str, Layout] = {}


def _creator(layout: Layout, name: str) -> Callable[..., nn.Module]:
    def create(pretrained: bool = False, **options: Any) -> nn.Module:
        if pretrained:
            raise AblateError(f"there are no weights for {name!r}")
        return _create(_registered[name], options)

    create.__name__ = create.__qualname__ = name
    create.__module__ = __name__
    create.__doc__ = f"The layout {layout.text!r}."
    return create


def _create(layout: Layout, options: dict[str, Any]) -> nn.Module:
    """What timm's keywords ask for; those that are None are left out, as timm leaves them out."""
    given = {key: value for key, value in options.items() if value is not None}
    for key in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
        given.pop(key, None)
    drop_path = given.pop("drop_path_rate", None)
    if drop_path is not None:
        layout = layout.replace(drop_path=float(drop_path), check=False)
    known: dict[str, Any] = {"num_classes": 1000, "in_chans": 3, "features_only": False}
    known |= {"out_indices": None, "img_size": None}
    unknown = [key for key in given if key not in known]
    if unknown:
        raise AblateError(f"unknown option {unknown[0]!r}; known: drop_path_rate, {', '.join(known)}")
    chosen = known | given
    return build(
        layout,
        chosen["num_classes"],
        chosen["in_chans"],
        features_only=chosen["features_only"],
        out_indices=chosen["out_indices"],
        resolution=chosen["img_size"],
    )
