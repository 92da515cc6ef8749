"""A table as CSV (raw, full precision), Markdown and LaTeX (as people read them)."""

from __future__ import annotations

from itertools import groupby

from tabulate import tabulate

from ablate.report.table import Cell, Column, Table

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
_WIDE = 7


def to_csv(table: Table) -> str:
    """The raw numbers, in full precision; counts without a decimal point."""
    raw = table.raw.copy()
    for name in raw.select_dtypes("float"):
        known = raw[name].dropna()
        if (known % 1 == 0).all():
            raw[name] = raw[name].astype("Int64")
    for name in raw.select_dtypes(exclude="number"):
        raw[name] = raw[name].map(lambda value: escape_csv(value) if isinstance(value, str) else value)
    return raw.to_csv(index=False, lineterminator="\n")


def escape_csv(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a quote before a leading `=`, `+`, `-`, `@` or tab.

    Readers that are no spreadsheets see the quote. Signed numbers are numbers, and stay.
    """
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def to_markdown(table: Table) -> str:
    """Title, caption, a pipe table and the notes."""
    headers = [_markdown(f"{c.group}: {c.header}" if c.group else c.header) for c in table.columns]
    rows = [[_markdown(cell.text) for cell in row] for row in table.rows]
    align = ["left" if column.left else "right" for column in table.columns]
    body = ""
    if rows:
        body = tabulate(rows, headers, "pipe", colalign=align, disable_numparse=True)  # type: ignore[no-untyped-call,unused-ignore]
    notes = "".join(f"- {_markdown(note)}\n" for note in table.notes)
    return (
        "\n\n".join(
            part for part in (f"## {table.title}", _markdown(table.caption), body, notes.rstrip()) if part
        )
        + "\n"
    )


def to_latex(table: Table, label: str) -> str:
    """A `table` environment for a paper; needs `booktabs`, and `graphicx` for a wide one.

    Groups of columns become `\\multicolumn` heads over `\\cmidrule`s; everything is escaped.
    """
    wide = len(table.columns) > _WIDE
    environment = "table*" if wide else "table"
    lines = [
        r"% needs \usepackage{booktabs}" + (r" and \usepackage{graphicx}" if wide else ""),
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        rf"\caption{{{escape_latex(table.title)}. {escape_latex(table.caption)}}}",
        rf"\label{{tab:{label}}}",
        r"\small",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in table.columns)}}}",
        r"\toprule",
        *_latex_head(table.columns),
        r"\midrule",
        *(" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}" + ("%" if wide else ""),
        *(["}"] if wide else []),
    ]
    if table.notes:
        notes = r" \\ ".join(escape_latex(note) for note in table.notes)
        lines.append(rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize {notes}\end{{minipage}}")
    return "\n".join([*lines, rf"\end{{{environment}}}", ""])


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_cell(cell: Cell) -> str:
    return cell.latex if cell.latex is not None else escape_latex(cell.text)


def _latex_head(columns: tuple[Column, ...]) -> list[str]:
    lines = []
    if any(column.group for column in columns):
        heads, rules, at = [], [], 1
        for group, members in groupby(columns, key=lambda column: column.group):
            width = len(list(members))
            heads.append(
                rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(group)}}}" if group else " & " * (width - 1)
            )
            if group:
                rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
            at += width
        lines = [" & ".join(heads) + r" \\", " ".join(rules)]
    return [*lines, " & ".join(escape_latex(column.header) for column in columns) + r" \\"]


def _markdown(text: str) -> str:
    for character in "\\`*|<>":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")
