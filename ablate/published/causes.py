"""Why a published figure is not the count: readings are computed, and one is taken if it prints as published.

The order is from the plainest to the farthest: rounding, what fvcore prices and passes over (attention
written out, then fused), the same for another form of the model (branches merged, built without its size),
another size, another classifier. What no reading gives stays unexplained, unless the parameters
show that the published model was another than the one of today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ablate.published.networks import former
from ablate.published.prices import ATTENTION
from ablate.published.record import Figure
from ablate.published.recount import PRODUCTS, Form, Recount

Cause = Literal[
    "",
    "rounding",
    "norm and pool work",
    "padding by name left out",
    "recurrent layer left out",
    "fused attention left out",
    "other product left out",
    "estimate of a product",
    "unfused attention",
    "merged branches",
    "built without its size",
    "another size",
    "another classifier",
    "changed model",
    "cannot be counted",
    "unexplained",
]
TOLERANCE_PERCENT = 1.0
OTHER_SIZES = (128, 160, 192, 224, 240, 256, 288, 320, 384, 448, 512)
OTHER_CLASSES = (0, 1000, 11221, 11821, 21841, 21842, 21843)

_LEFT_OUT: dict[str, Cause] = {
    "convolution with padding by name": "padding by name left out",
    "recurrent layer": "recurrent layer left out",
    ATTENTION: "fused attention left out",
}


class Counts(Protocol):
    """Where recounts come from."""

    def get(self, form: Form) -> Recount:
        """The recount of a form."""


@dataclass(frozen=True)
class Row:
    """A published figure beside the count, with the cause of a difference above the tolerance."""

    figure: Figure
    timm: str
    params: int | None
    macs: int | None
    cause: Cause
    again: int | None  # the published figure made again under the cause, before rounding
    explanation: str

    @property
    def error_percent(self) -> float | None:
        """How far the published figure is from the count, in percent of the count, signed."""
        if not self.macs:
            return None
        return 100.0 * (self.figure.gmacs * 1e9 - self.macs) / self.macs

    @property
    def params_agree(self) -> bool | None:
        """Whether the parameters are the published ones to the printed digits."""
        return None if self.params is None else prints_as(self.params / 1e6, self.figure.params_m)


@dataclass(frozen=True)
class _Reading:
    """One way in which the figure may have been made, and the MACs of the form that it is a reading of."""

    recount: Recount
    total: int
    fused: bool


def prints_as(value: float, printed: float) -> bool:
    """Whether a value, rounded to two decimals, is the printed one; a tie may have gone either way."""
    return abs(value - printed) <= 0.005 + 1e-9


def explain(figure: Figure, counts: Counts, tolerance_percent: float = TOLERANCE_PERCENT) -> Row:
    """A figure beside the count; if it is farther off than the tolerance, the first reading that gives it."""
    plain = counts.get(Form(figure.model, figure.resolution))
    if plain.failed:
        return Row(figure, plain.timm, None, None, "cannot be counted", None, plain.failed)
    text = _merged_parameters(figure, plain, counts)
    row = Row(figure, plain.timm, plain.params, plain.macs, "", None, text)
    error = row.error_percent
    if error is not None and abs(error) <= tolerance_percent:
        return row
    if prints_as(plain.macs / 1e9, figure.gmacs):
        return replace(row, cause="rounding", again=plain.macs, explanation=_digits(plain.macs, figure))
    reading = _match(plain, figure)
    if reading is not None:
        return _as_listed(row, reading, former(figure.model))
    for cause, remark, form in _forms(figure, plain, counts):
        other = counts.get(form)
        reading = None if other.failed else _match(other, figure)
        if reading is not None:
            text = f"{remark}: {_digits(reading.total, figure)}{_made_of(reading)}"
            return replace(row, cause=cause, again=reading.total, explanation=text)
    if not row.params_agree:
        text = (
            f"{figure.params_m:g} M parameters as published, {plain.params / 1e6:.2f} M in timm {plain.timm}"
        )
        return replace(row, cause="changed model", explanation=text)
    nearest = min(
        (plain.macs, plain.written_out, plain.fused), key=lambda macs: abs(macs / 1e9 - figure.gmacs)
    )
    text = f"no reading gives it; the nearest is {nearest / 1e9:.4f} G"
    return replace(row, cause="unexplained", explanation=text)


def _merged_parameters(figure: Figure, plain: Recount, counts: Counts) -> str:
    if prints_as(plain.params / 1e6, figure.params_m) or not plain.mergeable:
        return ""
    merged = counts.get(replace(plain.form, merged=True))
    if merged.failed or not prints_as(merged.params / 1e6, figure.params_m):
        return ""
    return f"parameters of the form with its branches merged, {merged.params / 1e6:.2f} M"


def _match(recount: Recount, figure: Figure) -> _Reading | None:
    for total, fused in ((recount.written_out, False), (recount.fused, True)):
        if prints_as(total / 1e9, figure.gmacs):
            return _Reading(recount, total, fused)
    return None


def _as_listed(row: Row, reading: _Reading, remark: str) -> Row:
    """The largest part of the difference gives the cause its name; the text has all of them."""
    parts = _parts(reading)
    name = max(parts, key=lambda part: abs(parts[part]))
    cause: Cause = "norm and pool work"
    if parts[name] < 0:
        cause = _LEFT_OUT.get(name, "other product left out")
    elif name == _ESTIMATE:
        cause = "estimate of a product"
    text = remark + _digits(reading.total, row.figure) + _made_of(reading)
    return replace(row, cause=cause, again=reading.total, explanation=text)


_ESTIMATE = "estimate of products"


def _parts(reading: _Reading) -> dict[str, int]:
    """What is between a reading and the count of its form: they add up to the difference exactly."""
    recount = reading.recount
    parts = dict(recount.extras)
    parts |= {name: -macs for name, macs in recount.left_out.items() if name != ATTENTION or reading.fused}
    products = sum(recount.priced.get(name, 0) for name in PRODUCTS) + sum(recount.left_out.values())
    if products != recount.macs:
        parts[_ESTIMATE] = products - recount.macs
    return parts


def _made_of(reading: _Reading) -> str:
    parts = [f"{value / 1e6:+,.2f} M {name}" for name, value in sorted(_parts(reading).items())]
    return f" ({reading.recount.macs / 1e9:.4f} G {', '.join(parts)})" if parts else ""


def _digits(total: int, figure: Figure) -> str:
    return f"{total / 1e9:.4f} G, printed as {figure.gmacs:g}"


def _forms(figure: Figure, plain: Recount, counts: Counts) -> Iterator[tuple[Cause, str, Form]]:
    """Other forms that the figure may be of, the likeliest first."""
    form = plain.form
    if plain.left_out.get(ATTENTION):
        yield "unfused attention", "with attention written out by the model", replace(form, unfused=True)
    if plain.mergeable:
        yield "merged branches", "of the form with its branches merged", replace(form, merged=True)
    if plain.way == "img_size":
        yield "built without its size", "of the model built for its own size", replace(form, as_it_is=True)
    for size in OTHER_SIZES:
        # work grows as the area or a little faster: a size far from the estimate cannot print the figure
        estimate = plain.macs / 1e9 * (size / figure.resolution) ** 2
        if size != figure.resolution and 0.5 * estimate <= figure.gmacs <= 2.0 * estimate:
            yield "another size", f"at {size} px, not {figure.resolution}", replace(form, resolution=size)
    if not prints_as(plain.params / 1e6, figure.params_m):
        none, some = (counts.get(replace(form, classes=classes)).params for classes in (0, 1000))
        for classes in OTHER_CLASSES:
            if prints_as((none + (some - none) * classes / 1000) / 1e6, figure.params_m):
                yield "another classifier", f"with {classes} outputs", replace(form, classes=classes)
