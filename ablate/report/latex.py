"""A table in LaTeX as a paper sets it: booktabs, aligned numbers, footnotes, never wider than the line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from ablate.report.align import Aligned, aligned
from ablate.report.table import Cell, Column, Table, footnotes

_LATEX = {
    "\\": r"\textbackslash{}", "|": r"\textbar{}", "\n": " ",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$", "−": "$-$",
    "–": "--", "÷": r"$\div$", "²": r"\textsuperscript{2}", "≤": r"$\leq$", "≥": r"$\geq$",
    "†": r"\textdagger{}", "\u00a0": "~",
    "³": r"\textsuperscript{3}", "⁴": r"\textsuperscript{4}",
    "<": r"\textless{}", ">": r"\textgreater{}", "·": r"$\cdot$", "µ": r"\textmu{}",
    "“": "``", "”": "''", "…": r"\ldots{}", "→": r"$\rightarrow$",
}  # fmt: skip
_LINE = 92  # characters of small type in a line of a one-column page
_COLUMN = 46  # and in a column of a two-column page
_SHORTEST = 22  # a text column that is longer may be broken into lines
_ROWS = 44  # lines of a table that fit on a page
_PAD = 2.2  # characters between columns


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in text)


def to_latex(table: Table, label: str) -> str:
    """A floating table for a paper; one with too many rows for a page is continued in further floats.

    Needs `booktabs`, `graphicx` and `array`. Numbers are aligned at the decimal point and at the ±, the best
    are bold, the second underlined, cells without a number have footnotes, and groups of columns stand over
    `\\cmidrule`s. What is wider than the line, as the type of the paper has it, is scaled down to it; a table
    spans both columns of a two-column page where one is too narrow.
    """
    marks = footnotes(table)
    environment = "table*" if _estimated(table) > _COLUMN else "table"
    spec, head, body = _spec(table), _head(table), _rows(table, marks)
    caption = rf"\caption{{{escape_latex(table.title)}. {escape_latex(table.caption)}}}\label{{tab:{label}}}"
    notes = _notes([*(f"{mark}: {note}" for note, mark in marks.items()), *table.notes])
    rows = _ROWS if "p{" not in spec else _ROWS // 2  # paragraphs take several lines
    starts = range(0, max(len(body), 1), rows)
    lines = [r"% needs \usepackage{booktabs}, \usepackage{array} and \usepackage{graphicx}"]
    for start in starts:
        lines += [
            rf"\begin{{{environment}}}[t]",
            r"\centering",
            caption if start == 0 else rf"\small Table~\ref{{tab:{label}}}, continued.\par\smallskip",
            r"\small\setlength{\tabcolsep}{4pt}",
            r"\setbox0=\hbox{%",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body[start : start + rows],
            r"\bottomrule",
            r"\end{tabular}}",
            r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi",
            *(notes if start == starts[-1] else []),
            rf"\end{{{environment}}}",
        ]
    return "\n".join([*lines, ""])


def _estimated(table: Table) -> float:
    """Characters that the widest row takes, with the space between columns."""
    return sum(_widths(table)) + _PAD * len(table.columns)


def _widths(table: Table) -> list[int]:
    return [
        max(
            max((len(part) for part in _head_lines(column, table, index)), default=0),
            max((_printed(row[index]) for row in table.rows), default=0),
        )
        for index, column in enumerate(table.columns)
    ]


def _printed(cell: Cell) -> int:
    return len(cell.text) if cell.latex is None else len(re.sub(r"\\[a-z]+|[{}$^]", "", cell.latex))


def _spec(table: Table) -> str:
    """`l` for text, `r` for numbers; in a table wider than a line, texts of several words are paragraphs."""
    widths = _widths(table)
    words = [_longest_word(table, index) for index in range(len(widths))]
    breakable = [
        index
        for index, column in enumerate(table.columns)
        if column.left and widths[index] > max(_SHORTEST, words[index])
    ]
    kinds = ["l" if column.left else "r" for column in table.columns]
    if _estimated(table) > _LINE:
        room = _LINE - _PAD * len(widths) - sum(widths) + sum(widths[index] for index in breakable)
        for index in breakable:
            share = room * widths[index] / sum(widths[place] for place in breakable)
            characters = max(words[index] + 1, min(share, widths[index]), 12)
            kinds[index] = rf">{{\raggedright\arraybackslash}}p{{{0.52 * characters:.1f}em}}"
    return "".join(kinds)


def _longest_word(table: Table, index: int) -> int:
    """Characters of the longest word of a column; a cell with LaTeX of its own is one word."""
    return max(
        (
            _printed(cell) if cell.latex is not None else max(map(len, cell.text.split()), default=0)
            for cell in (row[index] for row in table.rows)
        ),
        default=0,
    )


def _head_lines(column: Column, table: Table, index: int) -> list[str]:
    """A heading, its unit in a line below it where the heading is wider than what stands under it."""
    longest = max((_printed(row[index]) for row in table.rows), default=0)
    label, bracket, unit = column.header.partition(" (")
    if bracket and not column.left and len(column.header) > longest:
        return [label, f"({unit}"]
    return [column.header]


def _head(table: Table) -> list[str]:
    columns = table.columns
    lines = []
    if any(column.group for column in columns):
        heads, rules, at = [], [], 1
        for group, members in groupby(columns, key=lambda column: column.group):
            width = len(list(members))
            heads.append(
                rf"\multicolumn{{{width}}}{{c}}{{{_broken(group, table, at - 1, width)}}}"
                if group
                else " & " * (width - 1)
            )
            if group:
                rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
            at += width
        lines = [" & ".join(heads) + r" \\", " ".join(rules)]
    cells = []
    for index, column in enumerate(columns):
        parts = [escape_latex(part) for part in _head_lines(column, table, index)]
        cells.append(_stacked(parts, "[r]"))
    return [*lines, " & ".join(cells) + r" \\"]


def _broken(group: str, table: Table, start: int, count: int) -> str:
    """A group's heading in as many lines as its columns need, broken behind commas."""
    room = max(14, sum(_widths(table)[start : start + count]) + round(_PAD * (count - 1)))
    lines: list[str] = []
    for word in re.findall(r"[^,]+,?\s*", group):
        if lines and len(lines[-1]) + len(word.rstrip()) <= room:
            lines[-1] += word
        else:
            lines.append(word)
    parts = [escape_latex(line.strip()) for line in lines]
    return _stacked(parts)


def _stacked(parts: Sequence[str], place: str = "") -> str:
    lines = r" \\ ".join(parts)
    return lines if len(parts) == 1 else rf"\shortstack{place}{{{lines}}}"


def _rows(table: Table, marks: Mapping[str, str]) -> list[str]:
    placed = aligned(table.columns, table.rows)
    return [
        " & ".join(_cell(cell, place, marks) for cell, place in zip(row, line, strict=True)) + r" \\"
        for row, line in zip(table.rows, placed, strict=True)
    ]


def _cell(cell: Cell, place: Aligned, marks: Mapping[str, str]) -> str:
    if cell.latex is not None:
        return cell.latex
    text = escape_latex(place.value) + _phantom(place.between) + escape_latex(place.error)
    if cell.mark == "best":
        text = rf"\textbf{{{escape_latex(place.value)}}}{_phantom(place.between)}{escape_latex(place.error)}"
    elif cell.mark == "second":
        text = (
            rf"\underline{{{escape_latex(place.value)}}}{_phantom(place.between)}{escape_latex(place.error)}"
        )
    if cell.tone == "failed" and cell.note in marks:
        text += rf"\textsuperscript{{{marks[cell.note]}}}"
    return text + _phantom(place.behind)


def _phantom(blank: str) -> str:
    return rf"\phantom{{{escape_latex(blank)}}}" if blank else ""


def _notes(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    text = r" \\ ".join(escape_latex(note) for note in notes)
    return [
        rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize\raggedright {text}\end{{minipage}}"
    ]
