"""The quantities that `expect:` lines may name: those of the register, with the units they are stored in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ablate.errors import Mistake, did_you_mean
from ablate.layout.settings import Model
from ablate.measurements.register import measurement, quantities, quantity
from ablate.quantities import Quantity
from ablate.study.expect import expectation_mistakes
from ablate.study.expectation import Expectation, Term, Unit

_STORED: Mapping[str, Unit] = {"%": "percent", "ms": "ms", "bytes": "bytes"}


def unit_of(wanted: Quantity) -> Unit:
    """The kind of unit that a quantity's values are stored in; one printed in G or M is a count."""
    return _STORED.get(wanted.stored, "count" if wanted.scale >= 1e3 else "number")


def known_quantities() -> dict[str, Unit]:
    """Every quantity by its name and by its other names."""
    return {word: unit_of(wanted) for wanted in quantities() for word in (wanted.name, *wanted.aliases)}


def read_expectations(
    lines: object, layouts: Collection[str] | None, settings: Mapping[str, Model] | None
) -> tuple[list[Expectation], list[Mistake]]:
    """The value of `expect:`, and its mistakes with their paths below it.

    `layouts` are the names that a line may speak of, `settings` the measurements that are made, by name; None
    where these are not known. A line about what no measurement makes, or at another resolution or on another
    data set than those measured, could never be judged: it is a mistake, as is one that may mean several data
    sets.
    """
    parsed, mistakes = expectation_mistakes(lines, known_quantities(), layouts)
    if settings is None or mistakes:
        return parsed, mistakes
    for place, line in enumerate(parsed):
        for term in line.terms:
            message = _unmeasured(term, settings)
            if message:
                mistakes.append(Mistake(message, (place,), line.text.find(term.quantity)))
                break
    return parsed, mistakes


def _unmeasured(term: Term, settings: Mapping[str, Model]) -> str:
    wanted = quantity(term.quantity)
    if wanted.kind not in settings:
        title = measurement(wanted.kind).title
        return f"the study does not measure {term.quantity!r}: add `{wanted.kind}` ({title}) to `measure`"
    asked = settings[wanted.kind]
    at = getattr(asked, "resolutions", ())
    if term.resolution is not None and at and term.resolution not in at:
        known = ", ".join(map(str, at))
        return (
            f"{term.quantity!r} is not measured at {term.resolution} px; {wanted.kind} is measured at {known}"
        )
    sets = getattr(asked, "tasks", None) or [name for name in [getattr(asked, "dataset", None)] if name]
    on = [dataset for dataset in sets if term.is_on(dataset)]
    if term.dataset is not None and not on:
        return f"{term.quantity!r} is not measured on {term.dataset!r}{did_you_mean(term.dataset, sets)}"
    if len(on) > 1:
        return f"{term.quantity!r} is measured on {', '.join(on)}; say on which"
    return ""
