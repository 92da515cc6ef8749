"""Sizes as people write them: `3.4M`, `0.6G`, `1%`, `512MiB`."""

from __future__ import annotations

import math
import re

_DECIMAL = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES = {"B": 1} | {f"{p}B": _DECIMAL[p] for p in "kKMGT"}
_BYTES |= {f"{p}iB": 1024**power for power, p in enumerate("KMGT", start=1)} | {"kiB": 1024}

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\s*({NUMBER})\s*([A-Za-z]*|%)\s*", re.ASCII)


def parse_quantity(text: str | int | float, *, memory: bool = False) -> int | float:
    """The number that a size stands for: `3.4M` is 3400000, `1%` is 0.01; with `memory`, `512MiB` is
    536870912.

    Suffixes are the decimal k, M, G, T; in bytes also B, kB, MB, ... (powers of 1000) and KiB, MiB, ...
    (powers of 1024). A whole number comes back as `int`. Raises `ValueError` for anything else, infinities
    included.
    """
    if isinstance(text, bool):
        raise ValueError(f"expected a size such as 3.4M, got {str(text).lower()}")
    match = _QUANTITY.fullmatch(str(text)) if isinstance(text, str) else _QUANTITY.fullmatch(repr(text))
    if match is None:
        raise ValueError(f"expected a size such as {'512MiB' if memory else '3.4M'}, got {text!r}")
    number, suffix = match.groups()
    units: dict[str, float] = {**_DECIMAL, **_BYTES} if memory else {**_DECIMAL, "%": 0.01}
    if suffix not in units:
        known = ", ".join(unit for unit in units if unit)
        raise ValueError(f"unknown unit {suffix!r} in {text!r}; known: {known}")
    value = float(number) * units[suffix]
    if suffix == "%":
        value = float(number) / 100
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    if suffix != "%" and value == round(value):
        return round(value)
    return value


def format_quantity(value: float) -> str:
    """A number with the largest decimal suffix that leaves it at 1 or more: 13100000 is `13.1M`."""
    for suffix in "TGMk":
        if abs(value) >= _DECIMAL[suffix]:
            return f"{value / _DECIMAL[suffix]:.4g}{suffix}"
    return f"{value:.4g}"
