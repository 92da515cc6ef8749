"""Published parameters and GMACs of timm models beside the exact count, every difference explained.

The figures are a copy of a table of pytorch-image-models (column `source`). They were made with fvcore, which
prices norms and pooling as well, and printed with two decimals: for a small network that is several percent.
Whether this is the reason is not believed but tried, model by model: `compare_published` makes the figure
again under each known reading, and takes the first that gives the printed digits.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import torch
from torch import nn

from ablate.cost.count import count

TOLERANCE_PERCENT = 1.0
OTHER_RESOLUTIONS = (128, 160, 192, 224, 240, 256, 288, 320, 384, 448, 512)

Reason = Literal["", "norm and pool work", "resolution", "reparameterised", "unexplained"]


@dataclass(frozen=True)
class PublishedFigure:
    """One row of the published table. Both figures are rounded to two decimals."""

    model: str  # timm's name
    resolution: int  # pixels
    params_m: float  # millions
    gmacs: float
    source: str


@dataclass(frozen=True)
class PublishedRow:
    """A published figure beside the count; errors are the count's distance from the figure, signed."""

    model: str
    resolution: int
    published_params_m: float
    params: int
    params_agree: bool  # equal to the printed digits
    published_gmacs: float
    macs: int
    error_percent: float
    reason: Reason  # "" within the tolerance
    reproduced_macs: int | None  # the published figure made again under the reason, before rounding
    explanation: str
    source: str

    @property
    def explained(self) -> bool:
        """Within the tolerance, or outside for a reason that gives the printed digits."""
        return self.reason != "unexplained"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def record(self) -> dict[str, str]:
        """The row as a reader wants it, by heading."""
        return {
            "model": self.model,
            "px": str(self.resolution),
            "published M parameters": f"{self.published_params_m:g}",
            "M parameters": f"{self.params / 1e6:.3f}",
            "published GMACs": f"{self.published_gmacs:g}",
            "GMACs": f"{self.macs / 1e9:.4f}",
            "error %": f"{self.error_percent:+.2f}",
            "reason": self.reason or "-",
            "explanation": self.explanation,
        }


@cache
def published() -> tuple[PublishedFigure, ...]:
    """The table that ships with the package, in its order."""
    with (files("ablate.cost.audit") / "published.csv").open(encoding="utf-8") as lines:
        return tuple(
            PublishedFigure(
                row["model"],
                int(row["resolution"]),
                float(row["params_m"]),
                float(row["gmacs"]),
                row["source"],
            )
            for row in csv.DictReader(lines)
        )


def find_published(model: str, resolution: int) -> PublishedFigure | None:
    """The published figure of a timm model at a resolution, if there is one."""
    return next((f for f in published() if (f.model, f.resolution) == (model, resolution)), None)


def compare_published(
    figures: Iterable[PublishedFigure] | None = None,
    *,
    build: Callable[[str], nn.Module] | None = None,
    tolerance_percent: float = TOLERANCE_PERCENT,
) -> list[PublishedRow]:
    """Count every model on `meta` and explain each figure that is off by more than the tolerance.

    Only those models are also built with data, for fvcore. `build(name)` makes a model on the device that is
    the default when it is called; timm's by default.
    """
    build = build or _timm
    return [
        _compare(figure, build, tolerance_percent) for figure in (published() if figures is None else figures)
    ]


def _timm(name: str) -> nn.Module:
    import timm

    model: nn.Module = timm.create_model(name, pretrained=False)
    return model


def _compare(figure: PublishedFigure, build: Callable[[str], nn.Module], tolerance: float) -> PublishedRow:
    with torch.device("meta"):
        model = build(figure.model)
    counted = count(model, figure.resolution)
    error = 100.0 * (counted.macs / 1e9 - figure.gmacs) / figure.gmacs
    reason: Reason = ""
    again: int | None = None
    text = f"within {tolerance:g} %"
    if abs(error) > tolerance:
        try:
            reason, again, text = _explain(figure, build, counted.macs)
        except Exception as failure:  # fvcore may be missing or broken; the row then says so
            reason, text = "unexplained", f"not checked: {type(failure).__name__}: {failure}"
    return PublishedRow(
        model=figure.model,
        resolution=figure.resolution,
        published_params_m=figure.params_m,
        params=counted.params,
        params_agree=_prints_as(counted.params / 1e6, figure.params_m),
        published_gmacs=figure.gmacs,
        macs=counted.macs,
        error_percent=error,
        reason=reason,
        reproduced_macs=again,
        explanation=text,
        source=figure.source,
    )


def _explain(
    figure: PublishedFigure, build: Callable[[str], nn.Module], macs: int
) -> tuple[Reason, int | None, str]:
    """Try the known readings of a figure until one prints as the published digits."""
    with_extras, told = _with_extras(figure, build, figure.resolution, macs)
    if with_extras is not None:
        return "norm and pool work", with_extras, told
    merged = _reparameterised(build, figure)
    if merged is not None and _prints_as(merged / 1e9, figure.gmacs):
        return "reparameterised", merged, f"of the form with its branches merged: {merged / 1e9:.4f} G"
    for resolution in OTHER_RESOLUTIONS:
        other = None if resolution == figure.resolution else _at(build, figure.model, resolution)
        if other is None:
            continue
        place = f"holds at {resolution} px, not {figure.resolution}"
        if _prints_as(other / 1e9, figure.gmacs):
            return "resolution", other, f"{place}: {other / 1e9:.4f} G"
        if 0.0 < figure.gmacs - other / 1e9 < 0.1 * figure.gmacs:
            with_extras, told = _with_extras(figure, build, resolution, other)
            if with_extras is not None:
                return "resolution", with_extras, f"{place}, and {told}"
    return "unexplained", None, "no known reading gives this figure"


def _with_extras(
    figure: PublishedFigure, build: Callable[[str], nn.Module], resolution: int, macs: int
) -> tuple[int | None, str]:
    """The figure with norm and pool work, and how it comes about, if that prints as the published digits."""
    extras = norm_and_pool_work(build(figure.model), resolution)
    added = sum(extras.values())
    if not added or not _prints_as((macs + added) / 1e9, figure.gmacs):
        return None, ""
    names = ", ".join(f"{name} {work / 1e6:.2f} M" for name, work in sorted(extras.items()))
    return macs + added, (
        f"includes {added / 1e6:.2f} M of norm and pool work ({names}), as fvcore counts: "
        f"{(macs + added) / 1e9:.4f} G, printed as {figure.gmacs:g}"
    )


def norm_and_pool_work(model: nn.Module, resolution: int) -> dict[str, int]:
    """Work that fvcore prices beside convolutions and products, by operator. The model needs data.

    Attention counts as its two products. Raises `RuntimeError` if fvcore's products are not those of the
    count, for then the difference is not norm and pool work alone.
    """
    from ablate.cost.audit.step import random_input
    from ablate.cost.audit.untouched import silenced, untouched
    from ablate.cost.audit.with_fvcore import EXTRAS, default_figure

    with silenced(), untouched(model):
        model.eval()
        by_operator = default_figure(model, random_input(model, (3, resolution, resolution)))
    extras = {name: work for name, work in by_operator.items() if name in EXTRAS}
    products, macs = sum(by_operator.values()) - sum(extras.values()), count(model, resolution).macs
    if products != macs:
        raise RuntimeError(f"fvcore counts {products:,d} MACs of products, the count is {macs:,d}")
    return extras


def _reparameterised(build: Callable[[str], nn.Module], figure: PublishedFigure) -> int | None:
    from timm.utils.model import reparameterize_model

    model = build(figure.model).eval()
    before = sum(parameter.numel() for parameter in model.parameters())
    merged = reparameterize_model(model)
    if sum(parameter.numel() for parameter in merged.parameters()) == before:
        return None
    return count(merged, figure.resolution).macs


def _at(build: Callable[[str], nn.Module], name: str, resolution: int) -> int | None:
    """MACs at another resolution; `None` where the model is made for one only."""
    with torch.device("meta"):
        model = build(name)
    try:
        return count(model, resolution).macs
    except Exception:
        return None


def _prints_as(value: float, printed: float) -> bool:
    """Whether a value, rounded to two decimals, is the printed one; a tie may have gone either way."""
    return abs(value - printed) <= 0.005 + 1e-9
