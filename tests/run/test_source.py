"""What changes the hash of a file and what does not: the same code under other names is the same code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import ablate
from ablate.run.source import source

Hash = Callable[[str], str]

TEXT = '''
"""A module."""
from functools import partial as bound

LIMIT = 3

class Mean:
    """Of numbers."""
    share = 0.5

    def of(self, values, scale=1):
        """The mean."""
        total = 0
        for value in values:
            total += value * scale
        return self.share * total / max(len(values), LIMIT)

def outer(first):
    inner_sum = sum(part for part in first)
    def add(second):
        return inner_sum + second
    return add
'''


def replaced(text: str, old: str, new: str) -> str:
    """A text with whole words in the place of others."""
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text)


@pytest.fixture
def hash_of(tmp_path: Path) -> Hash:
    def hash_of(text: str) -> str:
        path = tmp_path / "code.py"
        path.write_text(text)
        return source(path).hash

    return hash_of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""The mean."""', '"""What is the mean."""\n        # and a comment'),
        ("total", "found"),
        ("value", "number"),
        ("part", "_"),
        ("inner_sum", "outer_sum"),  # of an outer function, read by an inner one
        ("total / max", "total  /  max"),
    ],
)
def test_what_a_thing_is_called_inside_changes_nothing(hash_of: Hash, old: str, new: str) -> None:
    assert replaced(TEXT, old, new) != TEXT
    assert hash_of(replaced(TEXT, old, new)) == hash_of(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value * scale", "scale * total"),
        ("total += value", "total -= value"),
        ("total = 0", "total = 1"),
        ("scale", "weight"),  # a parameter may be given by its name
        ("share", "part"),  # an attribute may be read from elsewhere
        ("LIMIT", "MOST"),  # so may a constant
        ("Mean", "Average"),
        ("add", "plus"),
        ("for value in values", "for total in values"),  # one variable in the place of two
        ("inner_sum = sum", "LIMIT = sum"),  # in the place of the module's
        ("partial as bound", "reduce as bound"),
    ],
)
def test_what_the_code_does_changes_the_hash(hash_of: Hash, old: str, new: str) -> None:
    assert replaced(TEXT, old, new) != TEXT
    assert hash_of(replaced(TEXT, old, new)) != hash_of(TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    x = 1\n    return locals()",
        "def f():\n    x = 1\n    return eval('x')",
        "def f():\n    x = 1\n    return f'{x=}'",
        "def f():\n    global x\n    x = 1",
        "def f():\n    class Inner:\n        x = 1\n    return Inner",
        "def f():\n    import x\n    return x",
        "def f(value):\n    match value:\n        case [x]: return x",
        "def f():\n    try:\n        g()\n    except OSError as x:\n        x = 1",
        "x = 1",
        "class A:\n    x = 1\n    def f(self, y=x):\n        z = y\n        return z",
    ],
)
def test_names_that_can_be_seen_from_elsewhere_count(hash_of: Hash, text: str) -> None:
    assert hash_of(replaced(text, "x", "w")) != hash_of(text)


def test_two_variables_are_not_one(hash_of: Hash) -> None:
    text = "def f(a):\n    x, y = a\n    return x - y"
    assert hash_of(text.replace("x - y", "y - x")) != hash_of(text)
    assert hash_of("def f(a):\n    y, x = a\n    return y - x") == hash_of(text)
    assert hash_of("def f():\n    x = 1\n    return 0") != hash_of("def f():\n    x = 1\n    return x")


@pytest.mark.parametrize(("over", "same"), [("@property\n@cache", True), ("@cache", False), ("", False)])
def test_what_a_property_remembers_counts_for_nothing(hash_of: Hash, over: str, same: bool) -> None:
    text = "from functools import cache\n@property\ndef side(self): return 2\n"
    assert (hash_of(text.replace("@property", over)) == hash_of(text)) == same


def test_every_file_of_the_package_has_a_hash_of_its_own() -> None:
    files = [path for path in Path(ablate.__file__).parent.rglob("*.py") if path.name != "__init__.py"]
    assert len({source(path).hash for path in files}) == len(files) > 100
