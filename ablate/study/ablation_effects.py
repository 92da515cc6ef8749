"""The effects of an ablation's changes on one quantity, from the values of its layouts: one row per effect.

Which statistics fit is the design's matter: pairs for changes made one at a time, a ladder for `cumulative`,
least squares on paired seeds for factorials. Rows are of one kind each:

    alone        the base with the change, less the base              leave-one-out, and per stage in `stages`
    last         all changes, less all but this one                   add-one
    step         with the change, less the rung before it             cumulative; `note` names the order
    main         the change, on average over the others               full, half
    interaction  how much more a change does where another is made    full, half
    disagreement alone less last                                      two ablations of the same changes
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from ablate.statistics.compare import Comparison, Verdict, compare, compare_ratios, correct
from ablate.statistics.effects import Effect, exact_effects, factorial_effects
from ablate.statistics.one_at_a_time import disagreements
from ablate.study.ablation_layouts import Ablation

K = TypeVar("K", bound=Hashable)
Kind: TypeAlias = Literal["alone", "last", "step", "main", "interaction", "disagreement"]


@dataclass(frozen=True)
class EffectRow:
    """One effect of making a change, in the quantity's unit, or as a ratio.

    `low`, `high`: 95 % interval, the effect itself where it is counted; `p` is NaN then. `p_corrected` is
    Holm's over the rows of one design. `n`: pairs behind it, 0 where it is counted or from least squares.
    """

    base: str
    change: str
    kind: Kind
    effect: float
    low: float
    high: float
    p: float
    p_corrected: float
    verdict: Verdict
    n: int = 0
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN and infinity become None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def measured_effects(
    ablation: Ablation,
    values: Mapping[str, Mapping[K, float]],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
    ratio: bool = False,
) -> tuple[EffectRow, ...]:
    """Effects on a measured quantity, from `{layout: {seed or process: value}}`.

    With `ratio` effects are factors (for times): by logarithms, and `margin` is a share. Layouts without
    values make rows of NaN that are not resolved; in a factorial they are left out of the fit.
    """
    if ablation.design in ("full", "half"):
        return _factorial(ablation, values, margin, lower_is_better, ratio)
    family: dict[str, Comparison] = {}
    facts: dict[str, tuple[Kind, str]] = {}
    for name, kind, after, before, note in _pairs(ablation):
        sides = values.get(after, {}), values.get(before, {})
        test = compare_ratios if ratio else compare
        family[name] = test(*sides, margin, lower_is_better=lower_is_better)
        facts[name] = kind, note
    return tuple(
        _row(ablation.base, name, facts[name][0], outcome, facts[name][1])
        for name, outcome in correct(family).items()
    )


def counted_effects(
    ablation: Ablation,
    values: Mapping[str, float],
    margin: float | None = None,
    *,
    lower_is_better: bool = True,
) -> tuple[EffectRow, ...]:
    """Effects on a counted quantity, exact: differences, from `{layout: value}`; layouts without one are
    left out.
    """
    if ablation.design in ("full", "half"):
        rows = {
            frozenset(row.made): values[name]
            for row, name in zip(ablation.rows, ablation.names, strict=True)
            if name in values
        }
        if not rows:
            return ()
        effects = exact_effects(rows, margin, changes=ablation.changes, lower_is_better=lower_is_better)
        return tuple(_effect_row(ablation.base, effect) for effect in effects)
    out = []
    for name, kind, after, before, note in _pairs(ablation):
        if after in values and before in values:
            gap = values[after] - values[before]
            effect = Effect(
                (name,),
                gap,
                gap,
                gap,
                math.nan,
                math.nan,
                0,
                (),
                margin,
                lower_is_better=lower_is_better,
                exact=True,
            )
            out.append(
                EffectRow(
                    ablation.base, name, kind, gap, gap, gap, math.nan, math.nan, effect.verdict, note=note
                )
            )
    return tuple(out)


def disagreement_rows(
    alone: Ablation, last: Ablation, values: Mapping[str, Mapping[K, float]]
) -> tuple[EffectRow, ...]:
    """How much more each change does alone than last, for a leave-one-out and an add-one of the same base.

    What is resolved here is an interaction. Empty for other designs or bases.
    """
    if (alone.design, last.design, alone.base) != ("leave-one-out", "add-one", last.base):
        return ()
    without = {name: values.get(before, {}) for name, _, _, before, _ in _pairs(last)}
    outcome = disagreements(
        values.get(alone.base, {}),
        {name: values.get(after, {}) for name, _, after, _, _ in _pairs(alone)},
        values.get(last.names[1], {}),
        without,
    )
    return tuple(_row(alone.base, name, "disagreement", item, "") for name, item in outcome.items())


def _pairs(ablation: Ablation) -> list[tuple[str, Kind, str, str, str]]:
    """(change, kind, layout with it, layout without it, note) of each effect that is one difference."""
    rows = list(zip(ablation.rows, ablation.names, strict=True))[1:]
    if ablation.design == "add-one":
        (_, full), *others = rows
        lacking = {
            next(name for name in ablation.changes if name not in row.made): name for row, name in others
        }
        return [(change, "last", full, lacking[change], "") for change in ablation.changes]
    if ablation.design == "cumulative":
        before = [ablation.base, *(name for _, name in rows)]
        return [
            (
                row.made[-1],
                "step",
                name,
                before[i],
                f"after {', '.join(row.made[:-1])}" if len(row.made) > 1 else "first",
            )
            for i, (row, name) in enumerate(rows)
        ]
    return [
        (row.made[0] + (f"@{row.stage}" if row.stage is not None else ""), "alone", name, ablation.base, "")
        for row, name in rows
    ]


def _factorial(
    ablation: Ablation,
    values: Mapping[str, Mapping[K, float]],
    margin: float | None,
    lower_is_better: bool,
    ratio: bool,
) -> tuple[EffectRow, ...]:
    runs = {
        frozenset(row.made): {
            key: math.log(value) if ratio else value for key, value in values.get(name, {}).items()
        }
        for row, name in zip(ablation.rows, ablation.names, strict=True)
    }
    if not any(runs.values()):
        return ()
    bound = math.log1p(margin) if ratio and margin is not None else margin
    effects = factorial_effects(runs, bound, changes=ablation.changes, lower_is_better=lower_is_better)
    return tuple(_effect_row(ablation.base, effect, ratio) for effect in effects)


def _effect_row(base: str, effect: Effect, ratio: bool = False) -> EffectRow:
    ends = [math.exp(x) if ratio else x for x in (effect.effect, effect.low, effect.high)]
    note = f"cannot be told apart from {', '.join(effect.aliases)}" if effect.aliases else ""
    kind: Kind = "main" if len(effect.changes) == 1 else "interaction"
    return EffectRow(
        base,
        effect.name,
        kind,
        ends[0],
        ends[1],
        ends[2],
        effect.p,
        effect.p_corrected,
        effect.verdict,
        note=note,
    )


def _row(base: str, change: str, kind: Kind, outcome: Comparison, note: str) -> EffectRow:
    return EffectRow(
        base,
        change,
        kind,
        outcome.mean,
        outcome.low,
        outcome.high,
        outcome.p,
        outcome.p_corrected,
        outcome.verdict,
        outcome.n,
        note,
    )
