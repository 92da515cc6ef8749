"""The reference of the language in Markdown, from the register of parts and the schema of study files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ablate.errors import AblateError

BEGIN = "<!-- reference: begin, written by `ablate reference` -->"
END = "<!-- reference: end -->"
_KINDS = {"stem": "Stems", "ffn": "FFNs", "norm": "Norms", "head": "Heads", "position": "Positions"}


def reference_text() -> str:
    """A table for each kind of part that is not a block, and one for each key of `measure`."""
    return "\n".join([*_parts(), *_measure()]).rstrip() + "\n"


def between(page: str, text: str, name: str) -> str:
    """The page with the text between its markers. Raises `AblateError` for a page without both."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise AblateError(f"{name} has not the lines {BEGIN} and {END}, once each, in this order")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _parts() -> Iterator[str]:
    from blocks import entries
    from blocks.registry import KINDS

    for kind in KINDS:
        if kind not in _KINDS:
            continue
        yield from (f"### {_KINDS[kind]}", "", "| name | arguments | what it is |", "| --- | --- | --- |")
        for entry in entries(kind):
            arguments = ", ".join(
                f"`{a.name}`: {a.type_name} = {a.default}" for a in entry.arguments.values()
            )
            yield f"| `{entry.name}` | {_cell(arguments)} | {_cell(entry.summary)} |"
        yield ""


def _measure() -> Iterator[str]:
    from ablate.measurements.register import measurements

    for entry in measurements():
        if not entry.file_section:
            continue
        yield from (f"### measure: {entry.name}", "")
        if entry.description:
            yield from (entry.description, "")
        yield from ("| key | default | meaning |", "| --- | --- | --- |")
        for name, field in entry.settings.model_fields.items():
            if field.exclude:
                continue
            default = (
                "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
            )
            yield f"| `{name}` | {_cell(default)} | {_cell(field.description or '')} |"
        yield ""


def _default(value: Any) -> str:
    """A default as a study file would say it."""
    if value in (None, (), {}):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | tuple):
        return "`[" + ", ".join(map(str, value)) + "]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
