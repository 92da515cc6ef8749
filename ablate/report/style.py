"""How figures look: one colour per mixer and one line style per rule in every figure, and readable axes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, cast

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

INK = "#1f2328"
GRID = "#d8dee4"
PAPER = "#fefefe"
GREY, SKY, RED = "#949494", "#56b4e9", "#d55e00"  # of the palette below
WIDTH = 7.0  # inches: a paper's full text width
COLUMN = 3.35  # and one column of a two-column page
LINE = 1.4  # points
MARKER = 3.8
DASHED: Any = (0, (3, 1.5))
_RULE_LINES: Mapping[str, Any] = {
    "alternate": "-",
    "graft": (0, (4, 1.6)),
    "": (0, (1.2, 1.4)),
    "timm": (0, (6, 1.5, 1.2, 1.5)),
}
_RULE_MARKERS: Mapping[str, str] = {"alternate": "o", "graft": "s", "": "D", "timm": "^"}
_MORE: Sequence[tuple[Any, str]] = (  # of layouts that share mixer and rule with an earlier one
    ((0, (2, 1)), "v"),
    ((0, (5, 1, 1, 1)), "P"),
    ((0, (5, 1, 1, 1, 1, 1)), "X"),
)
_SERIES_MARKERS = "osD^vP*Xdp"


@dataclass(frozen=True)
class Look:
    """Colour, line style and marker of one layout, the same in every figure of a report."""

    color: str
    line: Any
    marker: str


def palette() -> list[str]:
    """seaborn's ten colour-blind-safe colours, as hex; the yellow one darkened to be seen on white."""
    colors = [str(color) for color in sns.color_palette("colorblind").as_hex()]
    return ["#b8a300" if color == "#ece133" else color for color in colors]


def looks(texts: Mapping[str, str]) -> dict[str, Look]:
    """A look for every layout: by mixer (colour) and rule (line, marker) where these tell the layouts apart,
    but for a few of each, as the sizes of a ladder; else one colour and marker for each layout.

    A mixer's colour is its place among the study's mixers; plain convolution, which most layouts are built
    on, is the mixer of a layout that has no other.
    """
    words = {name: (_mixer(text), _rule(text)) for name, text in texts.items()}
    mixers = list(dict.fromkeys(mixer for mixer, _ in words.values()))
    colors_cycle = palette()
    alike = Counter(words.values())
    apart = max(alike.values(), default=1) == 1 or (len(mixers) > 1 and max(alike.values()) <= len(_MORE) + 1)
    if apart and all(mixers) and len(mixers) <= len(colors_cycle):
        colors = dict(zip(mixers, colors_cycle, strict=False))
        if not any(rule for _, rule in words.values()):  # no rules to tell apart: plain lines read best
            words = {name: (mixer, "alternate") for name, (mixer, _) in words.items()}
        places: Counter[tuple[str, str]] = Counter()
        by_mixer = {}
        for name, (mixer, rule) in words.items():
            more = places[mixer, rule]
            line, marker = _MORE[more - 1] if more else (_RULE_LINES[rule], _RULE_MARKERS[rule])
            by_mixer[name] = Look(colors[mixer], line, marker)
            places[mixer, rule] += 1
        return by_mixer
    lines = list(_RULE_LINES.values())
    shown = {}
    for index, name in enumerate(texts):
        turn, place = divmod(index, len(colors_cycle))
        marker = _SERIES_MARKERS[(place + 3 * turn) % len(_SERIES_MARKERS)]  # another one
        shown[name] = Look(colors_cycle[place], lines[turn % len(lines)], marker)
    return shown


_NO_MIXER = {"alternate", "graft", "timm", "from"}
_BASE = "conv"


def _mixer(text: str) -> str:
    """The mixer a layout is about, with its arguments: the one it names beside plain convolution.

    Empty where it names none or several, and for a model of timm.
    """
    if text.strip().startswith("timm:"):
        return ""
    inner = re.sub(r"^\s*(alternate|graft)\s*\((.*)\)\s*$", r"\2", text, flags=re.DOTALL)
    inner = re.sub(r",?\s*from\s*=\s*\d+", "", inner)
    named = {word for word in re.findall(r"[^\W\d]\w*(?:\([^()]*\))?", inner) if word not in _NO_MIXER}
    others = {word for word in named if word.partition("(")[0] != _BASE} or named
    return next(iter(others)) if len(others) == 1 else ""


def _rule(text: str) -> str:
    rule = re.match(r"\s*(alternate|graft|timm)", text)
    return rule.group(1) if rule else ""


_narrow: ContextVar[bool] = ContextVar("narrow", default=False)


@contextmanager
def one_column() -> Iterator[None]:
    """Within it figures are one column wide: panels below each other, the legend below them."""
    token = _narrow.set(True)
    try:
        yield
    finally:
        _narrow.reset(token)


@contextmanager
def paper_style() -> Iterator[None]:
    """Settings under which figures are made and saved: small type, light grid, reproducible files."""
    settings: dict[str, Any] = {
        **sns.axes_style("ticks"),
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 8,
        "axes.titlesize": 8.5,
        "axes.labelsize": 8,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.linewidth": 0.7,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "lines.linewidth": LINE,
        "lines.markersize": MARKER,
        "errorbar.capsize": 2,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.parse_math": False,  # names are not formulas
        "svg.fonttype": "none",
        "svg.hashsalt": "ablate",
        "pdf.fonttype": 42,
        "savefig.dpi": 200,
        "figure.constrained_layout.use": True,
    }
    with mpl.rc_context(cast(Any, settings)):
        yield


def axes(count: int = 1, *, height: float = 3.1, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels, up to three in a row, or one where it is one column wide.

    It belongs to no window and needs no closing.
    """
    columns = 1 if _narrow.get() else count if count <= 3 else 2
    lines = math.ceil(count / columns)
    size = (COLUMN, 0.85 * height * lines) if _narrow.get() else (WIDTH, height * lines)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(lines, columns, sharey=share_y, squeeze=False).flat)
    for unused in panels[count:]:
        unused.remove()
    for panel in panels[:count]:
        sns.despine(ax=panel)
    return figure, panels[:count]


def grid(rows: int, columns: int, *, height: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure of small panels without axes, `rows` by `columns`, each `height` inches high."""
    figure = Figure(figsize=(min(WIDTH, 1.75 * columns + 0.4), height * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat:
        panel.set_xticks([])
        panel.set_yticks([])
        panel.grid(visible=False)
    return figure, [list(line) for line in panels]


def wrapped(name: str, most: int) -> str:
    """A name in lines of at most that many characters, broken behind `/`, `+`, `,`, `:` and blanks."""
    lines = [""]
    for piece in re.findall(r"[^/+,: ]*[/+,: ]+|[^/+,: ]+", name):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > most:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def name_rows(panel: Axes, names: Sequence[str]) -> None:
    """Names along the y axis, a row each; long ones are broken, and the figure grows with them."""
    labels = [wrapped(name, 26 if _narrow.get() else 44) for name in names]
    panel.set_yticks(range(len(names)), labels)
    figure = panel.get_figure(root=True)
    if figure is not None and _narrow.get():
        width, height = figure.get_size_inches()
        most = max((label.count("\n") for label in labels), default=0)
        figure.set_size_inches(width, height + 0.06 * most * len(labels))


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend right of the panels, which make room; the figure grows when the legend is the taller.

    Below the panels where the figure is one column wide.
    """
    width, height = figure.get_size_inches()
    labels = [wrapped(label, 48 if _narrow.get() else 30) for label in labels]
    lines = sum(label.count("\n") + 1 for label in labels)
    if _narrow.get():
        longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
        columns = max(1, min(len(labels), 3, int(54 // (longest + 8))))
        figure.set_size_inches(width, height + 0.1 + 0.17 * math.ceil(len(labels) / columns))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.4)
        return
    figure.set_size_inches(width, max(height, 0.3 + 0.165 * lines))
    figure.legend(handles, labels, loc="outside right upper", handlelength=2.8)


def resolution_axis(panel: Axes, resolutions: Sequence[float]) -> None:
    """A logarithmic x axis with ticks at the resolutions themselves, thinned where they would touch."""
    panel.set_xscale("log")
    panel.set_xlabel("Resolution (px)")
    low, high = min(resolutions), max(resolutions)
    whole = panel.get_figure(root=True)
    across = WIDTH if whole is None else float(whole.get_size_inches()[0])
    room = panel.get_position().width * across  # inches; before the legend takes its share
    gap = math.log(high / low) / max(2.0, 2.6 * room) if high > low else 0.0
    kept: list[float] = []
    for value in sorted(set(resolutions), reverse=True):
        if not kept or math.log(kept[-1] / value) >= gap:
            kept.append(value)
    panel.xaxis.set_major_locator(FixedLocator(sorted(kept)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_locator(NullLocator())
    margin = (high / low) ** 0.05 if high > low else 1.25
    panel.set_xlim(low / margin, high * margin)


def log_axis(panel: Axes, letter: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic axis with plain numbers: 1, 2, 5 in every decade when there are few decades."""
    axis: Axis = getattr(panel, f"{letter}axis")
    getattr(panel, f"set_{letter}scale")("log")
    low, high = min(values), max(values)
    decades = math.log10(high / low) if high > low else 0.0
    if decades < 0.3:  # hardly a logarithmic range: even ticks read better
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    else:
        few, some = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0)
        subs = few if decades < 1.3 else some if decades < 3 else (1.0,)
        axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    if high == low:  # room around a single value, so that it does not sit in a corner
        getattr(panel, f"set_{letter}lim")(low / 1.5, high * 1.5)


def stage_color(index: int, count: int) -> str:
    """Colours of stages from light to dark, told apart in greyscale and on dark pages too."""
    shades = sns.color_palette("viridis_r", 100).as_hex()
    return str(shades[round(8 + 76 * index / max(count - 1, 1))])
