"""Names of things on the floors above, looked up when they are needed: `load("ablate.model:build")`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """The object `NAME` of the module `MODULE` that `MODULE:NAME` says.

    Raises `ValueError` for another form, and what the import raises.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ValueError(f"expected package.module:attribute, got {name!r}")
    return getattr(import_module(module), attribute)
