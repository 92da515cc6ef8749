"""Objects by dotted name."""

from __future__ import annotations

import math

import pytest

from ablate.dotted import load


def test_the_attribute_is_loaded() -> None:
    assert load("math:sqrt") is math.sqrt


@pytest.mark.parametrize("name", ["math", "math:", ":sqrt", ""])
def test_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:attribute"):
        load(name)


def test_what_is_not_there_raises() -> None:
    with pytest.raises(AttributeError):
        load("math:no_such_thing")
    with pytest.raises(ModuleNotFoundError):
        load("no_such_module:x")
