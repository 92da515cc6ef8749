"""Effects against statsmodels, their definition on noise-free values, aliases, and one change at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formulas
from scipy import stats

from ablate.statistics.effects import exact_effects, factorial_effects, resolved_interactions
from ablate.statistics.one_at_a_time import add_one, cumulative, disagreements, leave_one_out

FULL = [frozenset(made) for size in range(4) for made in itertools.combinations("abc", size)]


def noisy(
    runs: list[frozenset[str]], seeds: int = 4, scatter: float = 0.2
) -> dict[frozenset[str], dict[int, float]]:
    """Effects a 1, b -0.5, c 0; a does 0.6 more where b is made; seeds shift everything."""
    random = np.random.default_rng(5)
    shift = random.normal(0, 2, seeds)
    return {
        made: {
            seed: 80
            + 1.0 * ("a" in made)
            - 0.5 * ("b" in made)
            + 0.6 * ({"a", "b"} <= made)
            + shift[seed]
            + random.normal(0, scatter)
            for seed in range(seeds)
        }
        for made in runs
    }


def oracle(runs: dict[frozenset[str], dict[int, float]], formula: str):
    rows = [
        {name: 0.5 if name in made else -0.5 for name in "abc"} | {"seed": seed, "y": value}
        for made, sample in runs.items()
        for seed, value in sample.items()
    ]
    return formulas.ols(formula, pd.DataFrame(rows)).fit()


@pytest.mark.parametrize("lost", [0, 3])
def test_effects_are_statsmodels(lost: int):
    runs = noisy(FULL)
    for made in FULL[:lost]:
        del runs[made][1]
    fit = oracle(runs, "y ~ C(seed) + a + b + c + a:b + a:c + b:c")
    interval = fit.conf_int()
    outcome = factorial_effects(runs)
    assert [effect.name for effect in outcome] == ["a", "b", "c", "a x b", "a x c", "b x c"]
    for effect in outcome:
        term = ":".join(effect.changes)
        assert effect.effect == pytest.approx(fit.params[term])
        assert (effect.low, effect.high) == pytest.approx(tuple(interval.loc[term]))
        assert effect.p == pytest.approx(fit.pvalues[term])
        assert effect.freedom == fit.df_resid
    by_name = {effect.name: effect for effect in outcome}
    assert by_name["a"].verdict == "better"
    assert by_name["c"].verdict == "not resolved"
    assert [effect.name for effect in resolved_interactions(outcome)] == ["a x b"]


def test_effects_mean_what_they_say():
    """Without noise: a makes 1 alone and 1.6 with b, so 1.3 on average, and 0.6 more with b."""
    values = {made: sample[0] for made, sample in noisy(FULL, seeds=1, scatter=0.0).items()}
    outcome = {effect.name: effect for effect in exact_effects(values, lower_is_better=False)}
    assert outcome["a"].effect == pytest.approx(1.3)
    assert outcome["b"].effect == pytest.approx(-0.5 + 0.3)
    assert outcome["a x b"].effect == pytest.approx(0.6)
    assert outcome["c"].effect == outcome["a x c"].effect == 0.0
    assert outcome["a"].low == outcome["a"].high == outcome["a"].effect
    assert outcome["a"].verdict == "better"
    assert outcome["b"].verdict == "worse"
    assert outcome["c"].verdict == "equivalent"


def test_a_half_design_names_its_aliases():
    half = [made for made in FULL if len(made) % 2 == 0]  # c = ab, with the sign that keeps the base
    outcome = factorial_effects(noisy(half))
    assert [effect.name for effect in outcome] == ["a", "b", "c"]
    assert [effect.aliases for effect in outcome] == [("-b x c",), ("-a x c",), ("-a x b",)]
    fit = oracle(noisy(half), "y ~ C(seed) + a + b + c")
    assert [effect.p for effect in outcome] == pytest.approx([fit.pvalues[name] for name in "abc"])


def test_no_residual_no_interval():
    saturated = factorial_effects({made: {0: float(len(made))} for made in FULL if made <= {"a", "b"}})
    assert all(math.isnan(effect.p) and effect.verdict == "not resolved" for effect in saturated)
    flat = factorial_effects({made: {0: 0.1, 1: 0.3} for made in FULL})
    assert all(effect.verdict == "not resolved" for effect in flat)
    assert saturated[0].to_json()["p"] is None
    with pytest.raises(ValueError, match="at least one change"):
        factorial_effects({})
    with pytest.raises(ValueError, match="finite"):
        factorial_effects({frozenset("a"): {0: math.nan}})


def test_margin_and_direction():
    runs = noisy(FULL, seeds=8, scatter=0.1)
    outcome = {effect.name: effect for effect in factorial_effects(runs, 0.3, lower_is_better=True)}
    assert outcome["a"].verdict == "worse"
    assert outcome["c"].verdict == "equivalent"
    assert outcome["c"].p_equivalent < 0.05


def test_one_at_a_time_is_paired_and_corrected():
    runs = noisy(FULL, seeds=6)
    base, full = runs[frozenset()], runs[frozenset("abc")]
    alone = leave_one_out(base, {name: runs[frozenset(name)] for name in "abc"})
    last = add_one(full, {name: runs[frozenset("abc") - {name}] for name in "abc"})
    raw = stats.ttest_rel(list(runs[frozenset("a")].values()), list(base.values()))
    assert alone["a"].p == pytest.approx(raw.pvalue)
    assert alone["a"].p_corrected >= alone["a"].p
    assert alone["a"].mean == pytest.approx(1.0, abs=0.3)
    assert last["a"].mean == pytest.approx(1.6, abs=0.3)  # b is there too
    apart = disagreements(
        base,
        {name: runs[frozenset(name)] for name in "abc"},
        full,
        {name: runs[frozenset("abc") - {name}] for name in "ab"},
    )
    assert list(apart) == ["a", "b"]
    assert apart["a"].mean == pytest.approx(alone["a"].mean - last["a"].mean)
    assert apart["a"].resolved
    assert apart["a"].mean < 0


def test_a_ladder_adds_up_and_names_its_order():
    runs = noisy(FULL, seeds=6)
    ladder = [("b", runs[frozenset("b")]), ("a", runs[frozenset("ab")]), ("c", runs[frozenset("abc")])]
    steps = cumulative(runs[frozenset()], ladder)
    assert [step.change for step in steps] == ["b", "a", "c"]
    assert steps[2].after == ("b", "a")
    assert sum(step.effect.mean for step in steps) == pytest.approx(steps[-1].since_base.mean)
    assert steps[1].effect.mean == pytest.approx(1.6, abs=0.3)
    assert steps[0].effect.p_corrected >= steps[0].effect.p
