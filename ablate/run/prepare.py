"""A loaded study -> the study that is run: its layouts brought to one budget where the file says `match`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ablate.errors import LayoutError
from ablate.study.study import Study


@dataclass(frozen=True)
class Prepared:
    """A study ready to be planned, and for each layout that was matched what changed (`MatchResult`)."""

    study: Study
    matches: tuple[dict[str, object], ...] = ()


def prepare(study: Study) -> Prepared:
    """Match the layouts of a study that asks for it.

    Raises `LayoutError` with every layout that cannot meet the budget, and the nearest sizes it can have.
    """
    if study.match is None:
        return Prepared(study)
    from ablate.cost.match.solve import match_layouts

    layouts, results, problems = match_layouts(study.layouts, study.match, study.input)
    if problems:
        file = str(study.path or "")
        raise LayoutError(replace(problem, file=problem.file or file) for problem in problems)
    return Prepared(replace(study, layouts=layouts), tuple(result.to_json() for result in results))
