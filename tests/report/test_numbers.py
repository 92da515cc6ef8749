"""Digits: none without meaning, a value never finer than its error."""

from __future__ import annotations

import math

import pytest

from ablate.report.numbers import NOTHING, fixed, plural, scaled, signed, significant, with_error


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.59312, 3, "0.593"),
        (4598.88, 3, "4599"),
        (12.0, 3, "12.0"),
        (9.996, 3, "10.0"),
        (0.09996, 3, "0.100"),
        (0.0, 3, "0"),
        (-1.5, 2, "−1.5"),
        (1e-7, 2, "0.00000010"),
        (math.nan, 3, NOTHING),
    ],
)
def test_significant_digits(value: float, digits: int, text: str) -> None:
    assert significant(value, digits) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (12.3456, 0.5612, "12.35 ± 0.56"),
        (12.3456, 0.0996, "12.35 ± 0.10"),
        (812.4, 33.2, "812 ± 33"),
        (1234.0, 560.0, "1234 ± 560"),
        (91.2, None, "91.2"),
        (91.2, 0.0, "91.2 ± 0"),
        (91.2, math.nan, "91.2"),
        (math.nan, 0.1, NOTHING),
    ],
)
def test_value_has_the_places_of_its_error(value: float, error: float | None, text: str) -> None:
    assert with_error(value, error) == text


def test_differences_carry_their_sign() -> None:
    assert signed(0.42, 0.18) == "+0.42 ± 0.18"
    assert signed(-1.3, 0.25) == "−1.30 ± 0.25"
    assert signed(0.001) == "+0.00"
    assert fixed(-0.001, 2) == "0.00"


def test_prefixes_and_plurals() -> None:
    assert scaled(12_345_678) == "12.3 M"
    assert scaled(4_598_882_304, "MACs") == "4.60 GMACs"
    assert scaled(999_999, digits=3) == "1.00 M"
    assert scaled(812) == "812"
    assert (plural(1, "cell"), plural(3, "cell")) == ("1 cell", "3 cells")
