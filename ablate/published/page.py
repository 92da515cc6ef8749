"""The page about the published record: what is wrong in it first, by how much, and why."""

from __future__ import annotations

from collections.abc import Sequence
from platform import python_version

from ablate.published.causes import TOLERANCE_PERCENT, Cause, Row
from ablate.published.record import SOURCE, figures

MEANINGS: dict[Cause, str] = {
    "rounding": "The count prints as the published digits; two decimals are coarser than the tolerance.",
    "norm and pool work": "Norms, adaptive pooling or interpolation are priced as if they were MACs.",
    "padding by name left out": 'Convolutions whose padding is a word (`padding="same"`) are left out.',
    "recurrent layer left out": "LSTM layers are not counted at all.",
    "fused attention left out": "The two products of attention are not counted: it was one fused operator.",
    "other product left out": "A product that fvcore has no rule for is not counted.",
    "estimate of a product": "A product is counted by another number than its MACs.",
    "unfused attention": "The model's own attention without the fused operator has other products.",
    "merged branches": "The figure is that of the form whose branches are merged for inference.",
    "built without its size": "The figure is that of the model built for its own size and fed with another.",
    "another size": "The figure is that of another resolution than the one it is printed for.",
    "another classifier": "The figure is that of the model with another number of outputs.",
    "changed model": "The published parameters are not those of the model of today: the model was changed.",
    "cannot be counted": "timm cannot build or run the model any more.",
    "unexplained": "No reading gives the published digits.",
}
_SHOWN = 25


def page(rows: Sequence[Row], command: str) -> str:
    """The page in Markdown, from the rows of a whole audit and the command that made them."""
    off = [row for row in rows if row.cause]
    wrong = [row for row in off if row.cause != "rounding"]
    lines = [
        "# What is wrong in timm's published costs",
        "",
        *_partial(rows),
        *_lead(rows, wrong),
        "",
        "## By cause",
        "",
        "| cause | pairs | published is off by | worst pair | meaning |",
        "| --- | ---: | ---: | --- | --- |",
        *(_cause_line(cause, [row for row in off if row.cause == cause]) for cause in MEANINGS),
        "",
        f"## The {_SHOWN} largest errors",
        "",
        _HEAD,
        _RULE,
        *(_line(row) for row in sorted(wrong, key=_distance, reverse=True)[:_SHOWN]),
        "",
        "## Unexplained",
        "",
        *_unexplained(off),
        "",
        "## Parameters",
        "",
        *_parameters(rows),
        "",
        *_about(rows, command),
    ]
    return "\n".join(line for line in lines if line is not None) + "\n"


_HEAD = "| model | px | published GMACs | counted GMACs | off by | cause | how it comes about |"
_RULE = "| --- | ---: | ---: | ---: | ---: | --- | --- |"


def _partial(rows: Sequence[Row]) -> list[str]:
    rest = len(figures()) - len(rows)
    return [f"**Not the whole record: {rest:,d} of its {len(figures()):,d} pairs are missing here.**", ""] * (
        rest > 0
    )


def _lead(rows: Sequence[Row], wrong: Sequence[Row]) -> list[str]:
    def sentence(cause: Cause, text: str) -> str | None:
        group = [row for row in wrong if row.cause == cause and row.error_percent is not None]
        if not group:
            return None
        worst = max(group, key=_distance)
        name = f"`{worst.figure.model}` at {worst.figure.resolution} px, {_percent(worst)}"
        return f"- **{len(group)}** {text} (worst: {name})."

    explained = sum(row.cause not in ("unexplained", "cannot be counted") for row in wrong)
    facts = [
        sentence("recurrent layer left out", "leave every LSTM out"),
        sentence("padding by name left out", "leave out every convolution whose padding is a word"),
        sentence("fused attention left out", "leave out the products of fused attention"),
        sentence("other product left out", "leave out another product"),
        sentence("norm and pool work", "count norms, pooling or interpolation as MACs"),
        sentence("estimate of a product", "give a product another number than its MACs"),
        sentence(
            "merged branches", "are of the form with merged branches, not of the model of this name as built"
        ),
        sentence("another size", "hold at another size than the one printed"),
        sentence("built without its size", "are of the model built for another size"),
        sentence("another classifier", "are of the model with another classifier"),
        sentence("changed model", "are of a model that has changed since"),
    ]
    return [
        f"Of {len(rows):,d} published figures (one model at one size each), **{len(wrong)}** are more than "
        f"{TOLERANCE_PERCENT:g} % away from the exact MACs, beyond what rounding to two decimals does. "
        f"{explained} of them are made again to the printed digits, or with the change that is named, and "
        f"{len(wrong) - explained} stay open:",
        "",
        *(fact for fact in facts if fact),
    ]


def _cause_line(cause: Cause, rows: Sequence[Row]) -> str | None:
    if not rows:
        return None
    errors = sorted(row.error_percent for row in rows if row.error_percent is not None)
    spread = f"{errors[0]:+.1f} to {errors[-1]:+.1f} %" if errors else "–"
    worst = max(rows, key=_distance)
    name = f"`{worst.figure.model}` {worst.figure.resolution} px"
    return f"| {cause} | {len(rows)} | {spread} | {name} | {MEANINGS[cause]} |"


def _line(row: Row) -> str:
    counted = "–" if row.macs is None else f"{row.macs / 1e9:.4f}"
    return (
        f"| `{row.figure.model}` | {row.figure.resolution} | {row.figure.gmacs:g} | {counted} "
        f"| {_percent(row)} | {row.cause} | {row.explanation} |"
    )


def _unexplained(off: Sequence[Row]) -> list[str]:
    rows = [row for row in off if row.cause in ("unexplained", "cannot be counted", "changed model")]
    if not rows:
        return ["None."]
    text = "Figures that no reading prints; of a changed model its other parameters alone are known."
    return [text, "", _HEAD, _RULE, *(_line(row) for row in rows)]


def _parameters(rows: Sequence[Row]) -> list[str]:
    different = [row for row in rows if row.params_agree is False]
    if not different:
        return ["The published parameters are those of the models, to the printed digits, for every pair."]
    lines = [
        f"| `{row.figure.model}` | {row.figure.resolution} | {row.figure.params_m:g} "
        f"| {(row.params or 0) / 1e6:.2f} | {row.cause or row.explanation} |"
        for row in different
    ]
    return [
        f"{len(rows) - len(different):,d} pairs agree to the printed digits; these do not:",
        "",
        "| model | px | published, M | counted, M | why |",
        "| --- | ---: | ---: | ---: | --- |",
        *lines,
    ]


def _about(rows: Sequence[Row], command: str) -> list[str]:
    import torch

    return [
        "## How this was made",
        "",
        f"`{command}` with timm {rows[0].timm}, PyTorch {torch.__version__}, Python {python_version()}; all "
        "pairs with their MACs, errors, causes and predicted memory are in `timm.csv`.",
        "",
        f"Source of the published figures: {SOURCE}.",
        "",
        "A MAC is one multiply-accumulate of a convolution or a product of matrices. The error is published "
        "minus counted, in percent of the count. A cause stands only where computing the figure anew under "
        "it gives the printed digits; the parts in brackets add up to it exactly.",
    ]


def _distance(row: Row) -> float:
    return abs(row.error_percent or 0.0)


def _percent(row: Row) -> str:
    return "–" if row.error_percent is None else f"{row.error_percent:+.1f} %"
