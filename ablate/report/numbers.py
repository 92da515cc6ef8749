"""Numbers as people read them: no digit without meaning, a value never finer than its error."""

from __future__ import annotations

import math

NOTHING = "–"
PLUS_MINUS = "±"
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def significant(value: float, digits: int = 3) -> str:
    """`value` rounded to `digits` significant digits, never in exponent form; integer digits are kept.

    `0.59312` -> `0.593`, `4598.88` -> `4599`, `12.0` -> `12.0`.
    """
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    return fixed(value, _decimals(value, digits))


def fixed(value: float, decimals: int) -> str:
    """`value` with `decimals` places; a true minus sign, and no negative zero."""
    text = f"{value:.{max(decimals, 0)}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def decimals_of_error(error: float) -> int:
    """Decimal places that show `error` with two significant digits."""
    return max(_decimals(error, 2), 0)


def with_error(value: float, error: float | None, *, fallback_digits: int = 3) -> str:
    """`value ± error`, the error to two significant digits and the value to the same place.

    Without a usable error (None, not finite, negative) the value stands alone with `fallback_digits`; an
    error of nothing, as of seeds that all gave the same, is said.
    """
    if not math.isfinite(value):
        return NOTHING
    if error is None or not math.isfinite(error) or error < 0:
        return significant(value, fallback_digits)
    if error == 0:
        return f"{significant(value, fallback_digits)} {PLUS_MINUS} 0"
    places = decimals_of_error(error)
    return f"{fixed(value, places)} {PLUS_MINUS} {fixed(error, places)}"


def signed(value: float, error: float | None = None, *, decimals: int = 2) -> str:
    """A difference with its sign: `+0.42 ± 0.18`, `−1.30`."""
    if not math.isfinite(value):
        return NOTHING
    known = error is not None and math.isfinite(error) and error > 0
    text = with_error(value, error) if known else fixed(value, decimals)
    return text if text.startswith("−") or value == 0 else f"+{text}"


def scaled(value: float, unit: str = "", digits: int = 3) -> str:
    """`value` with the SI prefix that fits: `12.3 M`, `4.60 GMACs`, `812`."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size * (1 - 0.5 * 10**-digits):
            return f"{significant(value / size, digits)} {prefix}{unit}"
    return f"{significant(value, digits)} {unit}".strip()


def plural(count: int, noun: str) -> str:
    """`1 cell`, `3 cells`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _decimals(value: float, digits: int) -> int:
    """Decimal places that leave `digits` significant digits after rounding (9.996 becomes 10.0)."""
    if value == 0:
        return digits - 1
    exponent = math.floor(math.log10(abs(value)))
    places = digits - 1 - exponent
    if abs(round(value, places)) >= 10 ** (exponent + 1):
        places -= 1
    return max(places, 0)
