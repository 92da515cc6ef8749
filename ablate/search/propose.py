"""What is tried next: a network that is new and within every exact bound. Anything else uses up no trial."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from optuna.trial import Trial

from ablate.layout.layout import Layout
from ablate.search.evaluate import Candidate
from ablate.search.space import Choice, Params, SearchSpace
from ablate.search.store import BEYOND, REPEATED, Store
from ablate.study.search import Search

SAMPLE = 100  # random points that the share within the bounds is estimated from
TIGHT = 0.2  # below this share one width of a point beyond the bounds is solved for
_REPEATS = 2  # in a row, after which a new point is drawn at random
_REFUSED = 20  # points in a row beyond the bounds, after which one within them is drawn at random
_LISTED = 5000  # spaces up to this size are listed in full
_DRAWS = 2000  # from larger ones

Count = Callable[[Sequence[Candidate]], None]


@dataclass(frozen=True)
class Point:
    """A proposal that may be measured."""

    trial: Trial
    candidate: Candidate
    refused: list[tuple[Trial, Candidate]] = field(default_factory=list)  # proposals on the way to it


class Proposer:
    """Asks the sampler until it has what is wanted; `count` fills in exact costs."""

    def __init__(self, space: SearchSpace, store: Store, search: Search, count: Count):
        self.space, self.store, self.search, self._count = space, store, search, count
        self.prices: dict[Layout, Candidate] = {}
        self.names: dict[Layout, str] = {}  # every network that counts, named after its trial
        self.refused: set[Layout] = set()
        for trial in store.settled():
            layout = space.layout(trial.params, trial.user_attrs["name"])
            self.names.setdefault(layout, layout.name)
        self.refused |= {space.layout(trial.params) for trial in store.beyond()}
        self.rate = self._rate()
        widths = [name for name in space.choices if name.startswith("width") and len(space.choices[name]) > 1]
        # the dial with most values first, and of equals the last stage, where most parameters are
        self.dials = sorted(widths, key=lambda name: (-len(space.choices[name]), -int(name[5:])))
        self.solves = self.rate < TIGHT and bool(self.dials)

    def next(self) -> Point | None:
        """The next point to measure; None when there is none left, or none within the bounds was met.

        What is refused on the way is told with the point, when that is settled: a search that is killed in
        between then proposes the same again, in the same order.
        """
        repeats = tried = 0
        refused: list[tuple[Trial, Candidate]] = []
        params: Params | None = None
        while True:
            trial = self.store.ask(params)
            layout = self.space.layout(trial.params, f"trial-{trial.number}")
            fixed, params = params is not None, None
            if layout in self.names or layout in self.refused:
                self.store.put_by(trial, REPEATED)
                repeats += 1
            else:
                candidate = Candidate(layout)
                self.count([candidate])
                if candidate.failure or candidate.within(self.search.constraints):
                    self.names[layout] = layout.name
                    return Point(trial, candidate, refused)
                self.refused.add(layout)
                refused.append((trial, candidate))
                tried += 1
                params = self.solved(trial.params) if self.solves and not fixed else None
            if params is None and (repeats >= _REPEATS or tried >= _REFUSED):
                repeats = tried = 0
                params = self.unseen(random.Random(f"{self.search.seed} {self.store.asked}"))
                if params is None:
                    self.refuse(refused)
                    return None

    def count(self, candidates: Sequence[Candidate]) -> None:
        """Fill in exact costs, of every network once."""
        new = {item.layout: item for item in candidates if item.layout not in self.prices}
        self._count(list(new.values()))
        self.prices |= {
            layout: Candidate(layout, dict(item.metrics), failure=item.failure)
            for layout, item in new.items()
        }
        for item in candidates:
            known = self.prices[item.layout]
            item.metrics, item.failure = dict(known.metrics), known.failure

    def refuse(self, refused: Iterable[tuple[Trial, Candidate]]) -> None:
        """Tell the sampler of points beyond the bounds."""
        for trial, candidate in refused:
            trial.set_user_attr("metrics", candidate.metrics)
            for text, excess in candidate.violations(self.search.constraints).items():
                trial.set_constraint(text, excess)
            self.store.put_by(trial, BEYOND, candidate.values(self.search.objectives))

    def solved(self, params: Params) -> dict[str, Choice] | None:
        """The point with one width as large as the bounds allow, the others as they are or, where that is not
        enough, at their least; None where no width is small enough."""
        least = {dial: min(self.space.choices[dial], key=_size) for dial in self.dials}
        for others in ({}, least):
            for dial in self.dials:
                values = sorted(self.space.choices[dial], key=_size, reverse=True)
                for point in self.within([{**params, **others, dial: value} for value in values]):
                    return point
        return None

    def unseen(self, rng: random.Random) -> dict[str, Choice] | None:
        """A random point within the bounds whose network was never proposed."""
        if self.space.size <= _LISTED:
            points = self.space.all_params()
            rng.shuffle(points)
        else:
            points = [self.space.drawn(rng) for _ in range(_DRAWS)]
        return next(iter(self.within(points)), None)

    def within(self, points: Sequence[dict[str, Choice]]) -> Iterable[dict[str, Choice]]:
        """Those points, in their order, that are new and within every exact bound."""
        for start in range(0, len(points), SAMPLE):
            chunk = points[start : start + SAMPLE]
            candidates = [
                Candidate(self.space.layout(point, f"point-{start + i}")) for i, point in enumerate(chunk)
            ]
            fresh = [
                (candidate, point)
                for candidate, point in zip(candidates, chunk, strict=True)
                if candidate.layout not in self.names and candidate.layout not in self.refused
            ]
            self.count([candidate for candidate, _ in fresh])
            for candidate, point in fresh:
                if not candidate.failure and candidate.within(self.search.constraints):
                    yield point

    def _rate(self) -> float:
        """The share of random points that keep to the bounds on exact costs."""
        if not self.search.constraints:
            return 1.0
        rng = random.Random(self.search.seed)
        candidates = [
            Candidate(self.space.layout(self.space.drawn(rng), f"point-{i}")) for i in range(SAMPLE)
        ]
        self.count(candidates)
        kept = [
            candidate
            for candidate in candidates
            if not candidate.failure and candidate.within(self.search.constraints)
        ]
        return len(kept) / SAMPLE


def _size(value: Choice) -> int:
    return int(str(value))
