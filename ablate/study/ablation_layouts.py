"""The layouts of a study's ablations, made from its other layouts, and every mistake with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ablate.errors import Mistake, did_you_mean
from ablate.layout.layout import Layout, find_mistakes
from ablate.layout.network import Network
from ablate.layout.settings import plain_mistakes
from ablate.study.ablation import AblationSettings, Change, DesignName, read_settings
from ablate.study.ablation_apply import (
    STAGED,
    apply_changes,
    place_text,
    places,
    shared_place,
)
from ablate.study.ablation_check import change_mistakes
from ablate.study.ablation_design import Row, aliases, count_mistake, design_rows, together

if TYPE_CHECKING:
    pass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Ablation:
    """One ablation of a study: its design, row by row, and the layout of every row by its name.

    The first row is the base. `aliases` are the terms that a half design cannot tell apart.
    """

    base: str
    design: DesignName
    changes: tuple[str, ...]
    rows: tuple[Row, ...]
    layouts: Mapping[str, Network] = field(compare=False)
    aliases: tuple[str, ...] = ()
    name: str = ""  # the key or the number under `ablation:`, where there are several

    @property
    def names(self) -> tuple[str, ...]:
        """The layouts' names, row by row."""
        return tuple(row.name(self.base) for row in self.rows)

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Head and rows of the table of which change is made where: `x`, a stage, or nothing."""
        rows = tuple(
            (
                row.name(self.base),
                *(
                    "" if name not in row.made else f"stage {row.stage}" if row.stage else "x"
                    for name in self.changes
                ),
            )
            for row in self.rows
        )
        return ("layout", *self.changes), rows


@dataclass
class Ablations:
    """What `ablation:` of a study comes to: the ablations, and the derived layouts that the study gains.

    The paths of mistakes and warnings start below `ablation`.
    """

    ablations: list[Ablation] = field(default_factory=list)
    derived: dict[str, Network] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)


def make_ablations(
    value: Any, layouts: Mapping[str, Network], *, names: Collection[str] = (), check: bool = True
) -> Ablations:
    """Read the value of `ablation:` and derive its layouts from `layouts`, the study's own, resolved ones.

    `names` are the names of all layouts, those with mistakes of their own too: nothing more is said of an
    ablation whose base is one of these. Without `check` no block is looked up, and torch stays out. Nothing
    is raised: mistakes are collected.
    """
    settings, mistakes = read_settings(value)
    out = Ablations(mistakes=mistakes)
    for path, item in settings.items():
        if any(mistake.path[: len(path)] == path for mistake in mistakes):
            continue
        if item.base not in layouts:
            if item.base not in names:
                hint = did_you_mean(item.base, tuple(names or layouts))
                out.mistakes.append(Mistake(f"unknown layout {item.base!r}{hint}", (*path, "base")))
            continue
        _Maker(item, path, layouts, out, check).make()
    return out


class _Maker:
    """Derives the layouts of one ablation."""

    def __init__(
        self,
        settings: AblationSettings,
        path: KeyPath,
        layouts: Mapping[str, Network],
        out: Ablations,
        check: bool,
    ):
        self.settings, self.path, self.layouts, self.out, self.check = settings, path, layouts, out, check
        self.base = layouts[settings.base]
        self.plain_base = _plain(self.base, check)

    def wrong(self, mistake: Mistake) -> None:
        self.out.mistakes.append(mistake.under(*self.path))

    def make(self) -> None:
        before = len(self.out.mistakes)
        design, changes = self.settings.design, self.settings.changes
        number = count_mistake(design, len(changes))
        if number is not None:
            self.wrong(number)
        for name, change in changes.items():
            for mistake in change_mistakes(change, self.settings.base, self.base, design, check=self.check):
                self.wrong(mistake.under("changes", name))
        if len(self.out.mistakes) > before:
            return
        self._exclusions()
        alone = {name: self._layout((name,), {name: change}) for name, change in changes.items()}
        for name, layout in alone.items():
            if layout is not None and design != "stages" and _plain(layout, self.check) == self.plain_base:
                self.wrong(Mistake(f"the change {name!r} changes nothing", ("changes", name), at_key=True))
        if len(self.out.mistakes) > before:
            return
        rows, made = self._rows()
        if len(self.out.mistakes) > before:
            return
        outcome = aliases(tuple(changes)) if design == "half" else ()
        name = str(self.path[0]) if self.path else ""
        self.out.ablations.append(
            Ablation(self.settings.base, design, tuple(changes), rows, made, outcome, name)
        )
        for text in outcome:
            self.out.warnings.append(
                Mistake(f"this half design cannot tell apart: {text}", ("design",)).under(*self.path)
            )

    def _exclusions(self) -> None:
        names = list(self.settings.changes)
        touched = {name: places(change, self.base) for name, change in self.settings.changes.items()}
        for pair in sorted(together(self.settings.design, names), key=lambda p: sorted(map(names.index, p))):
            first, second = sorted(pair, key=names.index)
            place = shared_place(touched[first], touched[second])
            if place is not None:
                text = place_text(place, self.base)
                message = f"{first!r} and {second!r} exclude each other: both change {text}"
                self.wrong(Mistake(message, ("changes", second), at_key=True))

    def _rows(self) -> tuple[tuple[Row, ...], dict[str, Network]]:
        """The rows that are layouts of their own, and these."""
        kept: list[Row] = []
        made: dict[str, Network] = {}
        for row in design_rows(self.settings.design, tuple(self.settings.changes), self._stages()):
            changes = {name: self.settings.changes[name] for name in row.made}
            if row.stage is not None:
                name, change = next(iter(changes.items()))
                if change.stages is not None and row.stage not in change.stages:
                    continue
                changes[name] = change.model_copy(update={"stages": (row.stage,)})
            layout = self._layout(row.made, changes, row.name(self.settings.base)) if row.made else self.base
            if layout is None or (row.stage is not None and _plain(layout, self.check) == self.plain_base):
                continue
            kept.append(row)
            made[row.name(self.settings.base)] = layout
            if row.made:
                self._keep(row, layout)
        for name in self.settings.changes if self.settings.design == "stages" else ():
            if not any(name in row.made for row in kept):
                self.wrong(Mistake(f"the change {name!r} changes nothing", ("changes", name), at_key=True))
        return tuple(kept), made

    def _stages(self) -> int:
        return len(self.base.stages) if isinstance(self.base, Layout) else 0

    def _keep(self, row: Row, layout: Network) -> None:
        name = row.name(self.settings.base)
        other = self.layouts.get(name) or self.out.derived.get(name)
        if other is not None and _plain(other, self.check) != _plain(layout, self.check):
            message = f"another layout is called {name!r} already"
            self.wrong(Mistake(message, ("changes", row.made[-1]), at_key=True))
        elif other is None:
            self.out.derived[name] = layout
            self.out.warnings += [
                Mistake(f"{name}: {warning}", ("changes", row.made[-1])).under(*self.path)
                for warning in layout.warnings
                if warning not in self.base.warnings
            ]

    def _layout(self, made: tuple[str, ...], changes: Mapping[str, Change], name: str = "") -> Network | None:
        """The layout with these changes, or None and its mistakes at the last of them."""
        last, change = made[-1], changes[made[-1]]
        try:
            settings = apply_changes(self.base, list(changes.values()), self.layouts)
            mistakes = find_mistakes(settings, check=self.check)
        except ValidationError as error:
            mistakes = plain_mistakes(error)
        if not mistakes:
            return Layout.from_settings(settings, name or None, check=False)
        beside = f" (together with {', '.join(made[:-1])})" if len(made) > 1 else ""
        for item in mistakes:
            self.wrong(_placed(item, change, beside).under("changes", last))
        return None


def _placed(mistake: Mistake, change: Change, beside: str) -> Mistake:
    """A mistake of the derived layout, at the part of the change that it comes from."""
    key = mistake.path[0] if mistake.path else None
    message = mistake.message + beside
    if key in change.set.model_fields_set and not (change.stages and key in STAGED):
        return Mistake(message, ("set", *mistake.path), mistake.offset, mistake.at_key)
    if isinstance(change.layout, str) and key == "layout":
        return Mistake(message, mistake.path, mistake.offset)
    if (
        change.layout is not None
        and not isinstance(change.layout, str)
        and key in change.layout.model_fields_set
    ):
        return Mistake(message, ("layout", *mistake.path), mistake.offset, mistake.at_key)
    return Mistake(message, at_key=True)


def _plain(layout: Network, check: bool) -> dict[str, Any]:
    """The network as data: what makes two layouts the same. Arguments at their defaults may be written or not
    where the register is looked at."""
    return layout.identity() if check else layout.to_dict()
