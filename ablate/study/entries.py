"""The `layouts` of a study file: the matrix written out, defaults filled in, every layout resolved."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ablate.errors import LayoutError, Mistake, did_you_mean
from ablate.layout.layout import Layout, find_mistakes
from ablate.layout.network import Network
from ablate.layout.settings import LayoutSettings, plain_mistakes
from ablate.layout.timm_model import is_timm
from ablate.study.vary import Expanded, expand, names_in, unknown_names

_NAME = re.compile(r"[^\W\d][\w-]*")
MOST_LAYOUTS = 20_000
"""How many layouts a study may have, a matrix written out."""


@dataclass
class Entries:
    """Reads the entries one by one; mistakes and warnings are kept with their paths in the file."""

    defaults: dict[str, Any]  # those that are valid
    check: bool = True
    define: dict[str, str] = field(default_factory=dict)  # of the whole file
    layouts: dict[str, Network] = field(default_factory=dict)
    # the names of all layouts, the broken ones too, to their entries
    names: dict[str, str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)
    _written: dict[str, Expanded] = field(default_factory=dict)  # every entry, by its name

    def derive(self, layouts: Mapping[str, Network]) -> None:
        """Take in layouts that were made of others; each is an entry of its own."""
        self.layouts |= layouts
        self.names |= {name: name for name in layouts}

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
        for written in self._written.values():
            layout = self._layout(written)
            if layout is not None:
                self.layouts[written.name] = layout
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
        for written in expanded:
            if written.name in self.names:
                self.mistakes.append(self._same_name(written, self.names[written.name], value, lists))
                return
            if not written.name.strip() or not written.name.isprintable():
                self.mistakes.append(
                    Mistake("a layout's name is one line of text", ("layouts", entry), at_key=True)
                )
                return
            self.names[written.name] = entry
        self._written |= {written.name: written for written in expanded}

    @staticmethod
    def _same_name(written: Expanded, first: str, value: Any, lists: dict[str, list[Any]]) -> Mistake:
        missing = sorted((names_in(value) - names_in(written.entry)) & set(lists))
        hint = f"; write {' and '.join('$' + name for name in missing)} in the name" if missing else ""
        other = "" if first == written.entry else f", as {first!r} has"
        return Mistake(
            f"two layouts have the name {written.name!r}{other}{hint}",
            ("layouts", written.entry),
            at_key=True,
        )

    def _layout(self, written: Expanded) -> Network | None:
        own, owners = self._with_base(written)
        if own is None:
            return None
        try:
            LayoutSettings.model_validate(own)
        except ValidationError as error:
            mistakes = plain_mistakes(error)
            self._keep(mistakes, written, owners)
            # the settings that are well formed are still looked at
            own = {key: own[key] for key in own if key not in {m.path[0] for m in mistakes if m.path}}
            if "layout" in own or "stages" in own:
                self._keep(find_mistakes(self._settings(own), check=self.check), written, owners)
            return None
        settings = self._settings(own)
        try:
            layout = Layout.from_settings(settings, written.name, check=self.check)
        except LayoutError:  # asked again for the paths of its mistakes
            self._keep(find_mistakes(settings, check=self.check), written, owners)
            return None
        self.warnings += [
            Mistake(f"{written.name}: {warning}", ("layouts", written.entry)) for warning in layout.warnings
        ]
        return layout

    def _with_base(self, written: Expanded) -> tuple[dict[str, Any] | None, dict[str, Expanded]]:
        """The settings of an entry and of those that it is based on, and which entry each comes from; no
        settings where a base is wrong."""
        line = [written]
        while (base := _own(line[-1]).get("base")) is not None:
            if not isinstance(base, str) or base not in self._written:
                known = [name for name in self._written if name != written.name]
                message = f"unknown layout {base!r}{did_you_mean(str(base), known)}"
            elif self._written[base] in line:
                message = f"a layout cannot be its own base: {' -> '.join([e.name for e in line] + [base])}"
            elif is_timm(_own(self._written[base]).get("layout")):
                message = f"{base!r} is a model of timm: it has no settings to build on"
            else:
                line.append(self._written[base])
                continue
            if line[-1] is written or base == written.name:  # further up it is that entry's mistake
                path, _ = written.origin(("base",), None)
                self.mistakes.append(Mistake(message, path))
            return None, {}
        settings: dict[str, Any] = {}
        owners: dict[str, Expanded] = {}
        for entry in reversed(line):
            given = _own(entry)
            given.pop("base", None)
            for key in given:
                for other in _EXCLUDES.get(key, ()):
                    settings.pop(other, None)
            if isinstance(given.get("define"), dict) and isinstance(settings.get("define"), dict):
                given["define"] = settings["define"] | given["define"]
            settings |= given
            owners |= dict.fromkeys(given, entry)
        return settings, owners

    def _settings(self, own: dict[str, Any]) -> LayoutSettings:
        inherited = {} if is_timm(own.get("layout")) else dict(self.defaults)
        if "stages" in own:
            inherited.pop("depths", None)
        define = own.get("define") or {}
        used = _used(self.define, [own.get("layout"), own.get("stages"), *define.values()])
        both = {name: self.define[name] for name in self.define if name in used} | define
        if both and not is_timm(own.get("layout")):
            own = {**own, "define": both}
        return LayoutSettings.model_validate({**inherited, **own})

    def _keep(self, mistakes: list[Mistake], written: Expanded, owners: dict[str, Expanded]) -> None:
        """Note mistakes with their paths in the file."""
        for mistake in mistakes:
            key = mistake.path[0] if mistake.path else None
            path, offset = mistake.path, mistake.offset
            owner = owners.get(str(key), written)
            if key == "define" and path[1:2] and path[1] not in (_own(owner).get("define") or {}):
                path = tuple(path)  # the file's own
            elif key is not None and key not in owners:
                path = ("defaults", *path)
            else:
                if isinstance(owner.value, str):
                    path = path[1:]
                path, offset = owner.origin(path, offset)
            message = mistake.message
            if mistake.at_key and message.startswith("unknown key"):
                message += did_you_mean(str(key), ("base", *LayoutSettings.model_fields))
            self.mistakes.append(Mistake(message, path, offset, mistake.at_key))


_EXCLUDES = {
    "layout": ("stages",),
    "stages": ("layout", "depths"),
    "heads": ("head_dim",),
    "head_dim": ("heads",),
}
"""What an entry takes from its base no more when it says the first."""


def _own(written: Expanded) -> dict[str, Any]:
    """The settings that an entry says itself."""
    return {"layout": written.value} if isinstance(written.value, str) else dict(written.value)


def _used(define: dict[str, str], texts: list[Any]) -> set[str]:
    """The names of `define` that occur in the texts, and in the definitions of those."""
    used: set[str] = set()
    todo = [text for text in texts if isinstance(text, str)]
    while todo:
        words = set(_NAME.findall(todo.pop()))
        new = [name for name in define if name in words and name not in used]
        used |= set(new)
        todo += [define[name] for name in new]
    return used
