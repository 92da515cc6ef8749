"""Sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.layout.sizes import format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.4M", 3_400_000),
        ("0.6G", 600_000_000),
        ("13.1M", 13_100_000),
        ("1k", 1000),
        ("2 T", 2 * 10**12),
        ("1%", 0.01),
        ("100%", 1.0),
        ("2.5e3", 2500),
        (7, 7),
        (0.25, 0.25),
        ("-3", -3),
        (".5K", 500),
    ],
)
def test_sizes(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("512MiB", 512 * 2**20),
        ("1MB", 10**6),
        ("2GiB", 2**31),
        ("8B", 8),
        ("1.5KiB", 1536),
        ("3M", 3 * 10**6),
    ],
)
def test_bytes(text, value):
    assert parse_quantity(text, memory=True) == value


@pytest.mark.parametrize(
    "text", ["", "M", "3.4X", "1,5M", "3 4", "--3", "1e999", "nan", "inf", True, float("inf"), "5MiB", "٣"]
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=r"size|unit|finite"):
        parse_quantity(text)


def test_a_percentage_is_no_number_of_bytes():
    with pytest.raises(ValueError, match="unknown unit '%'"):
        parse_quantity("5%", memory=True)


@given(st.integers(1, 10**15))
def test_whole_numbers_come_back_exactly(number):
    assert parse_quantity(str(number)) == number
    assert isinstance(parse_quantity(str(number)), int)


@given(st.floats(1, 1e15))
def test_format_keeps_four_digits(number):
    assert parse_quantity(format_quantity(number)) == pytest.approx(number, rel=1e-3)
