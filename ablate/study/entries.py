"""The `layouts` of a study file: the matrix written out, defaults filled in, every layout resolved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ablate.errors import Mistake, did_you_mean
from ablate.layout.layout import Layout
from ablate.layout.resolve import resolve
from ablate.layout.settings import LayoutSettings, plain_mistakes
from ablate.study.vary import Expanded, expand, names_in, unknown_names

MOST_LAYOUTS = 20_000
"""How many layouts a study may have, a matrix written out."""


@dataclass
class Entries:
    """Reads the entries one by one; mistakes and warnings are kept with their paths in the file."""

    defaults: dict[str, Any]  # those that are valid
    check: bool = True
    layouts: dict[str, Layout] = field(default_factory=dict)
    # the names of all layouts, the broken ones too, to their entries
    names: dict[str, str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)

    def read(self, layouts: Any, vary: Any) -> None:
        """Read `layouts` with the lists of `vary`."""
        lists = self._vary(vary)
        if not isinstance(layouts, dict):
            self.mistakes.append(Mistake("expected a mapping of names to layouts", ("layouts",)))
            return
        for entry, value in layouts.items():
            wrong = [
                *unknown_names(entry, ("layouts", entry), list(lists), at_key=True),
                *unknown_names(value, ("layouts", entry), list(lists)),
            ]
            self.mistakes += wrong
            if not wrong:
                self._entry(entry, value, lists)
        used = names_in(layouts)
        for name in lists:
            if name not in used:
                self.warnings.append(Mistake(f"no layout uses '${name}'", ("vary", name), at_key=True))

    def _vary(self, vary: Any) -> dict[str, list[Any]]:
        if not isinstance(vary, dict):
            self.mistakes.append(Mistake("expected a mapping of names to lists of values", ("vary",)))
            return {}
        lists: dict[str, list[Any]] = {}
        for name, values in vary.items():
            path = ("vary", name)
            lists[name] = values if isinstance(values, list) else [values]
            if not name.isidentifier():
                self.mistakes.append(Mistake(f"{name!r} cannot be a name to vary", path, at_key=True))
            elif not lists[name]:
                self.mistakes.append(Mistake("the list is empty", path))
            for i, value in enumerate(lists[name]):
                parts = value if isinstance(value, list) else [value]
                if any(part is None or isinstance(part, dict | list) for part in parts):
                    message = "expected a word, a number, or a list of them"
                    self.mistakes.append(Mistake(message, (*path, i)))
                    lists[name] = []
                    break
        return lists

    def _entry(self, entry: str, value: Any, lists: dict[str, list[Any]]) -> None:
        if not isinstance(value, str | dict):
            message = "expected a layout's text, or a mapping with `layout` or `stages`"
            self.mistakes.append(Mistake(message, ("layouts", entry)))
            return
        used = names_in([entry, value])
        more = math.prod(len(lists[name]) for name in lists if name in used)
        if len(self.names) + more > MOST_LAYOUTS:
            message = f"{entry!r} makes {more:,} layouts; a study has at most {MOST_LAYOUTS:,}"
            self.mistakes.append(Mistake(message, ("layouts", entry), at_key=True))
            return
        expanded = expand(entry, value, lists)
        for one in expanded:
            if one.name in self.names:
                self.mistakes.append(self._same_name(one, self.names[one.name], value, lists))
                return
            if not one.name.strip() or not one.name.isprintable():
                self.mistakes.append(
                    Mistake("a layout's name is one line of text", ("layouts", entry), at_key=True)
                )
                return
            self.names[one.name] = entry
        for one in expanded:
            layout = self._layout(one)
            if layout is not None:
                self.layouts[one.name] = layout

    @staticmethod
    def _same_name(one: Expanded, first: str, value: Any, lists: dict[str, list[Any]]) -> Mistake:
        missing = sorted((names_in(value) - names_in(one.entry)) & set(lists))
        hint = f"; write {' and '.join('$' + name for name in missing)} in the name" if missing else ""
        other = "" if first == one.entry else f", as {first!r} has"
        return Mistake(
            f"two layouts have the name {one.name!r}{other}{hint}", ("layouts", one.entry), at_key=True
        )

    def _layout(self, one: Expanded) -> Layout | None:
        own: dict[str, Any] = {"layout": one.value} if isinstance(one.value, str) else dict(one.value)
        try:
            settings = LayoutSettings.model_validate(own)
        except ValidationError as error:
            mistakes = plain_mistakes(error)
            self._keep(mistakes, one, own)
            # the settings that are well formed are still looked at
            own = {key: own[key] for key in own if key not in {m.path[0] for m in mistakes if m.path}}
            if "layout" in own or "stages" in own:
                self._keep(self._resolved(own)[1], one, own)
            return None
        settings, mistakes = self._resolved(own)
        self._keep(mistakes, one, own)
        if mistakes:
            return None
        layout = Layout.from_settings(settings, one.name, check=False)
        self.warnings += [
            Mistake(f"{one.name}: {warning}", ("layouts", one.entry)) for warning in layout.warnings
        ]
        return layout

    def _resolved(self, own: dict[str, Any]) -> tuple[LayoutSettings, list[Mistake]]:
        text = own.get("layout")
        inherited = {} if isinstance(text, str) and text.strip().startswith("timm:") else dict(self.defaults)
        if "stages" in own:
            inherited.pop("depths", None)
        settings = LayoutSettings.model_validate({**inherited, **own})
        return settings, resolve(settings, check=self.check).mistakes

    def _keep(self, mistakes: list[Mistake], one: Expanded, own: dict[str, Any]) -> None:
        """Note mistakes with their paths in the file."""
        for mistake in mistakes:
            key = mistake.path[0] if mistake.path else None
            path, offset = mistake.path, mistake.offset
            if key is not None and key not in own:
                path = ("defaults", *path)
            else:
                if isinstance(one.value, str):
                    path = path[1:]
                path, offset = one.origin(path, offset)
            message = mistake.message
            if mistake.at_key and message.startswith("unknown key"):
                message += did_you_mean(str(key), tuple(LayoutSettings.model_fields))
            self.mistakes.append(Mistake(message, path, offset, mistake.at_key))
